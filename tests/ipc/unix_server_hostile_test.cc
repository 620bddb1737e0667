// Clients that do not behave, and scarcity: each costs its own place, is counted, and delays
// nobody.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>
#include <vector>

#include "ipc/unix_server.h"
#include "tests/ipc/unix_server_fixture.h"

namespace tcpeek::ipc {
namespace {

using namespace test;
using UnixServerHostileTest = UnixServerTest;

TEST_F(UnixServerHostileTest, FiveThousandBytesGetNoReply) {
  serve();
  const Client client(path());
  client.send(std::string(5000, 'x'));
  const Received received = client.receive_all();
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(received.text, "");
  EXPECT_EQ(stats().requests_dropped, 1U);
  EXPECT_EQ(ask("GET\n"), "<GET>");
}

TEST_F(UnixServerHostileTest, AnUnfinishedRequestIsClosedAtItsDeadline) {
  ServerLimits limits = patient();
  limits.request_deadline = 100ms;
  serve(limits);
  const Client silent(path());
  const Client half(path());
  // On a busy machine the deadline may come first, or before this has been read.
  half.send("GE");
  const Received of_silent = silent.receive_all();
  const Received of_half = half.receive_all();
  EXPECT_EQ(of_silent.text + of_half.text, "");
  EXPECT_EQ(of_silent.error, 0);
  EXPECT_TRUE(of_half.error == 0 || of_half.error == ECONNRESET) << of_half.error;
  EXPECT_EQ(stats().requests_dropped, 2U);
  EXPECT_EQ(stats().replies_dropped, 0U);
}

TEST_F(UnixServerHostileTest, DrippingBytesDoNotMoveTheDeadline) {
  ServerLimits limits = patient();
  limits.request_deadline = 150ms;
  serve(limits);
  const auto begin = Clock::now();
  const Client client(path());
  while (client.send("x") && Clock::now() - begin < kPatience) std::this_thread::sleep_for(5ms);
  EXPECT_LT(Clock::now() - begin, kPatience);
  EXPECT_GE(Clock::now() - begin, 150ms);
  EXPECT_EQ(stats().requests_dropped, 1U);
}

TEST_F(UnixServerHostileTest, BytesAfterTheRequestNeverCostTheReply) {
  serve();
  for (int i = 0; i < 20; ++i) {
    const Client client(path());
    ASSERT_TRUE(client.send("large\n" + std::string(60'000, 'z')));
    const Received received = client.receive_all();
    ASSERT_EQ(received.error, 0);
    ASSERT_EQ(received.text.size(), kLargeReply);
    if (i == 0) {
      EXPECT_EQ(received.text, large_text());
    }
  }
  for (int i = 0; i < 200; ++i) {
    const Client client(path());
    ASSERT_TRUE(client.send("GET\n" + std::string(10'000, 'z')));
    const Received received = client.receive_all();
    ASSERT_EQ(received.error, 0);
    ASSERT_EQ(received.text, "<GET>");
  }
}

TEST_F(UnixServerHostileTest, AFloodAfterTheRequestIsCutOff) {
  serve();
  const Client flood(path());
  ASSERT_TRUE(flood.send("GET\n"));
  const std::string junk(65536, 'z');
  std::size_t taken = 0;
  while (flood.send(junk) && taken < (std::size_t{64} << 20)) taken += junk.size();
  // What was drained and what the socket's buffer holds; far from what was offered.
  EXPECT_LT(taken, std::size_t{8} << 20);
  EXPECT_EQ(ask("GET\n"), "<GET>");
}

TEST_F(UnixServerHostileTest, ClientsThatNeverReadDelayNobody) {
  serve();
  std::vector<Client> stuck;
  for (int i = 0; i < 10; ++i) {
    stuck.emplace_back(path());
    ASSERT_TRUE(stuck.back().send("large\n"));
  }
  ASSERT_TRUE(eventually([this] { return stats().requests == 10; }));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(ask("GET\n"), "<GET>");
  EXPECT_EQ(stats().replies_dropped, 0U);
  // They are still served, as soon as they read.
  for (const Client& client : stuck) EXPECT_EQ(client.receive_all().text, large_text());
}

TEST_F(UnixServerHostileTest, AClientThatNeverReadsIsClosedAtTheDeadline) {
  ServerLimits limits = patient();
  limits.reply_deadline = 100ms;
  serve(limits);
  const Client stuck(path());
  ASSERT_TRUE(stuck.send("large\n"));
  ASSERT_TRUE(eventually([this] { return stats().replies_dropped == 1; }));
  EXPECT_LT(stuck.receive_all().text.size(), kLargeReply);
  EXPECT_EQ(stats().replies_dropped, 1U);
}

TEST_F(UnixServerHostileTest, OneMoreThanItTakesIsServedInPlaceOfTheFirst) {
  serve();
  std::vector<Client> clients;
  for (std::size_t i = 0; i < ServerLimits{}.max_clients; ++i) {
    clients.emplace_back(path());
    ASSERT_TRUE(eventually([&] { return stats().clients_accepted == i + 1; }));
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("GET\n"), "<GET>");
  EXPECT_EQ(stats().clients_displaced, 1U) << "who has its reply leaves the place it was given";
  EXPECT_EQ(stats().requests_dropped, 1U);
  const Received received = clients[0].receive_all();
  EXPECT_EQ(received.text, "");
  EXPECT_EQ(received.error, 0);

  // The others are as they were.
  for (std::size_t i = 1; i < clients.size(); ++i) {
    ASSERT_TRUE(clients[i].send("GET\n"));
    EXPECT_EQ(clients[i].receive_all().text, "<GET>");
  }
}

TEST_F(UnixServerHostileTest, WhoOnlyStaysAfterItsReplyMakesRoomFirst) {
  ServerLimits limits = patient();
  limits.max_clients = 2;
  serve(limits);
  const Client silent(path());
  ASSERT_TRUE(eventually([this] { return stats().clients_accepted == 1; }));
  const Client staying(path());
  ASSERT_TRUE(staying.send("large\n"));
  EXPECT_EQ(staying.receive_all().text, large_text());
  EXPECT_EQ(ask("GET\n"), "<GET>");
  EXPECT_FALSE(staying.send("x")) << "its place is given away";
  EXPECT_EQ(stats().clients_displaced, 0U) << "it had what it came for";
  ASSERT_TRUE(silent.send("GET\n"));
  EXPECT_EQ(silent.receive_all().text, "<GET>");
}

TEST_F(UnixServerHostileTest, WhoNeverReadsMakesRoom) {
  ServerLimits limits = patient();
  limits.max_clients = 4;
  serve(limits);
  std::vector<Client> stuck;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    stuck.emplace_back(path());
    ASSERT_TRUE(stuck.back().send("large\n"));
    ASSERT_TRUE(eventually([&] { return stats().requests == i; }));
  }
  EXPECT_EQ(ask("GET\n"), "<GET>");
  EXPECT_EQ(stats().clients_displaced, 1U);
  EXPECT_EQ(stats().replies_dropped, 1U);
  EXPECT_LT(stuck[0].receive_all().text.size(), kLargeReply);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(stuck[i].receive_all().text, large_text());
}

TEST_F(UnixServerHostileTest, WhoAskedLastMakesRoomWhileAllRepliesAreBeingMade) {
  std::vector<UnixServer::Reply> kept;
  ServerLimits limits = patient();
  limits.max_clients = 2;
  serve(limits, [&](const std::string& word, UnixServer::Reply reply) {
    if (word == "later") {
      kept.push_back(std::move(reply));
    } else {
      reply(word);
    }
  });
  const Client first(path());
  ASSERT_TRUE(first.send("later\n"));
  ASSERT_TRUE(eventually([this] { return stats().requests == 1; }));
  const Client second(path());
  ASSERT_TRUE(second.send("later\n"));
  ASSERT_TRUE(eventually([this] { return stats().requests == 2; }));
  EXPECT_EQ(ask("GET\n"), "GET");
  EXPECT_EQ(second.receive_all().text, "");
  EXPECT_EQ(stats().clients_displaced, 1U);
  EXPECT_EQ(stats().replies_dropped, 1U);
  reactor_.post([&] {
    for (const auto& reply : kept) reply(std::string("now"));
  });
  EXPECT_EQ(first.receive_all().text, "now");
  stop();
  kept.clear();
}

TEST_F(UnixServerHostileTest, AClientThatStaysAfterItsReplyLosesItsPlace) {
  ServerLimits limits = patient();
  limits.max_clients = 1;
  limits.drain_deadline = 100ms;
  serve(limits);
  const Client staying(path());
  ASSERT_TRUE(staying.send("GET\n"));
  EXPECT_EQ(staying.receive_all().text, "<GET>");
  ASSERT_TRUE(eventually([this] {
    const Client client(path());
    return client.send("GET\n") && client.receive_all().text == "<GET>";
  }));
  EXPECT_EQ(stats().replies_dropped, 0U);
}

TEST_F(UnixServerHostileTest, AReplyForAClientThatLeftIsHarmless) {
  std::vector<UnixServer::Reply> kept;
  serve(patient(), [&](const std::string& word, UnixServer::Reply reply) {
    if (word == "later") {
      kept.push_back(std::move(reply));
    } else {
      reply(word);
    }
  });
  {
    const Client leaving(path());
    ASSERT_TRUE(leaving.send("later\n"));
    ASSERT_TRUE(eventually([this] { return stats().requests == 1; }));
  }
  reactor_.post([&] { kept.front()(large_text()); });
  ASSERT_TRUE(eventually([this] { return stats().replies_dropped == 1; }));
  EXPECT_EQ(ask("GET\n"), "GET");
  stop();
  kept.clear();
}

TEST_F(UnixServerHostileTest, AClientThatLeavesInTheMiddleOfTheReplyIsHarmless) {
  serve();
  for (int i = 0; i < 20; ++i) {
    const Client leaving(path());
    ASSERT_TRUE(leaving.send("large\n"));
    ASSERT_TRUE(leaving.is_readable(kPatience));
  }
  ASSERT_TRUE(eventually([this] { return stats().replies_dropped == 20; }));
  EXPECT_EQ(ask("GET\n"), "<GET>");
}

TEST_F(UnixServerHostileTest, ARequestNeverAnsweredIsClosedAtItsDeadline) {
  ServerLimits limits = patient();
  limits.reply_deadline = 100ms;
  serve(limits, [](const std::string&, const UnixServer::Reply&) {});
  EXPECT_EQ(ask("GET\n"), "");
  EXPECT_EQ(stats().replies_dropped, 1U);
  EXPECT_EQ(stats().requests, 1U);
}

// Takes every descriptor from the process but those it has, as long as it lives.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd lowest_free(::dup(0));
    const rlimit few{static_cast<rlim_t>(lowest_free.get()), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(UnixServerHostileTest, WithoutDescriptorsItWaitsInsteadOfSpinning) {
#ifdef __SANITIZE_ADDRESS__
  // The asan preset's undefined-behaviour checks ask the kernel through a pipe whether an object's
  // memory can be read; without descriptors they take every object for a bad one.
  GTEST_SKIP() << "the sanitizer itself needs a descriptor";
#endif
  ServerLimits limits = patient();
  limits.accept_retry = 50ms;
  serve(limits);
  // A client already there is served meanwhile.
  const Client before(path());
  ASSERT_TRUE(eventually([this] { return stats().clients_accepted == 1; }));
  const UniqueFd waiting = unix_socket();
  {
    const NoMoreDescriptors scarce;
    const auto begin = Clock::now();
    ASSERT_EQ(connect_to(waiting.get(), path()), 0);
    ASSERT_TRUE(eventually([this] { return stats().accept_failures >= 4; }));
    EXPECT_GE(Clock::now() - begin, 3 * 50ms);
    ASSERT_TRUE(before.send("GET\n"));
    EXPECT_EQ(before.receive_all().text, "<GET>");
  }
  ASSERT_EQ(::send(waiting.get(), "GET\n", 4, MSG_NOSIGNAL), 4);
  char text[16]{};
  EXPECT_EQ(::recv(waiting.get(), text, sizeof(text), 0), 5);
  EXPECT_STREQ(text, "<GET>");
}

// A flood is accepted in bursts, and between two of them others get their turn.
TEST_F(UnixServerHostileTest, AFullQueueLeavesTurnsToOthers) {
  constexpr std::uint64_t kWaiting = 1000;
  ServerLimits limits = patient();
  limits.accept_burst = 50;
  server_.emplace(reactor_, SocketPath::listen(path(), SocketPath::Parent::must_exist), limits,
                  answer_by_word);
  for (std::uint64_t i = 0; i < kWaiting; ++i) Client(path()).close();
  std::uint64_t seen = 0;
  std::uint64_t most_at_once = 0;
  std::function<void()> look = [&] {
    const std::uint64_t accepted = server_->stats().clients_accepted;
    most_at_once = std::max(most_at_once, accepted - seen);
    seen = accepted;
    if (accepted == kWaiting) return reactor_.stop();
    reactor_.post(look);
  };
  reactor_.after(kPatience, [this] { reactor_.stop(); });
  reactor_.post(look);
  reactor_.run();
  EXPECT_EQ(seen, kWaiting);
  EXPECT_EQ(most_at_once, 50U);
  EXPECT_EQ(server_->stats().requests_dropped, kWaiting);
}

TEST_F(UnixServerHostileTest, WhoHasLeftTakesNobodysSlot) {
  ServerLimits limits = patient();
  limits.max_clients = 1;
  serve(limits);
  const Client silent(path());
  ASSERT_TRUE(eventually([this] { return stats().clients_accepted == 1; }));
  on_reactor([this] {
    for (int i = 0; i < 10; ++i) {
      const Client leaving(path());
      EXPECT_TRUE(leaving.send("GET\n"));
    }
    return 0;
  });
  ASSERT_TRUE(eventually([this] { return stats().clients_accepted == 11; }));
  EXPECT_EQ(stats().clients_displaced, 0U);
  EXPECT_EQ(stats().requests_dropped, 10U);
  ASSERT_TRUE(silent.send("GET\n"));
  EXPECT_EQ(silent.receive_all().text, "<GET>");
}

// Of many that come at once the ones to keep are chosen before any is set up, by the same rule: one client
// of another process is served, with a flood behind it in the queue.
TEST_F(UnixServerHostileTest, AFloodInOneBurstEvictsItsOwn) {
  ServerLimits limits = patient();
  limits.max_clients = 4;
  serve(limits);
  std::vector<Client> flood;
  pid_t other = 0;
  on_reactor([&] {
    int asked[2];
    EXPECT_EQ(::pipe(asked), 0);
    other = ::fork();
    if (other == 0) {
      const Client client(path());
      client.send("GET\n");
      const bool told = ::write(asked[1], "a", 1) == 1;
      ::_exit(told && client.receive_all().text == "<GET>" ? 0 : 1);
    }
    char byte = 0;
    EXPECT_EQ(::read(asked[0], &byte, 1), 1);
    for (const int end : asked) ::close(end);
    for (int i = 0; i < 40; ++i) {
      flood.emplace_back(path());
      EXPECT_TRUE(flood.back().send("S"));
    }
    return 0;
  });
  int status = -1;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
  ASSERT_TRUE(eventually([this] { return stats().clients_accepted == 41; }));
  EXPECT_EQ(stats().clients_displaced, 37U);
  EXPECT_EQ(ask("GET\n"), "<GET>");
}

// Closing it would be the reactor's, and may take as long as whoever made it likes.
TEST_F(UnixServerHostileTest, NobodySendsItDescriptors) {
  serve();
  const Client client(path());
  const int error = client.send_descriptor("G", STDERR_FILENO);
  if (error == 0) GTEST_SKIP() << "this kernel has no SO_PASSRIGHTS";
  EXPECT_EQ(error, EPERM);
  ASSERT_TRUE(client.send("GET\n"));
  EXPECT_EQ(client.receive_all().text, "<GET>");
}

}  // namespace
}  // namespace tcpeek::ipc
