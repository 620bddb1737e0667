// What a client that behaves can rely on, and the life of server and replies.
#include "ipc/unix_server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "tests/ipc/unix_server_fixture.h"

namespace tcpeek::ipc {
namespace {

using namespace test;

TEST_F(UnixServerTest, OneRequestOneReplyClose) {
  serve();
  EXPECT_EQ(ask("GET\r\n"), "<GET>");
  EXPECT_EQ(ask("GET\n"), "<GET>");
  EXPECT_EQ(ask("  STATS \t\r\n"), "<STATS>");
  EXPECT_EQ(ask("\n"), "<>");
  EXPECT_EQ(ask("GET\nREFRESH\n"), "<GET>");
  const ServerStats counted = stats();
  EXPECT_EQ(counted.clients_accepted, 5U);
  EXPECT_EQ(counted.requests, 5U);
  EXPECT_EQ(counted.clients_displaced + counted.requests_dropped + counted.replies_dropped +
                counted.accept_failures,
            0U);
}

TEST_F(UnixServerTest, EndOfInputEndsARequest) {
  serve();
  const Client client(path());
  ASSERT_TRUE(client.send("GET"));
  client.end_sending();
  const Received received = client.receive_all();
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(received.text, "<GET>");
}

TEST_F(UnixServerTest, OneByteAtATime) {
  serve();
  const Client client(path());
  for (const char byte : std::string_view("REFRESH\r\n")) {
    ASSERT_TRUE(client.send({&byte, 1}));
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(client.receive_all().text, "<REFRESH>");
}

TEST_F(UnixServerTest, NothingAskedNothingAnswered) {
  serve();
  const Client client(path());
  client.end_sending();
  const Received received = client.receive_all();
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(received.text, "");
  EXPECT_EQ(stats().requests_dropped, 1U);
  EXPECT_EQ(stats().requests, 0U);
}

TEST_F(UnixServerTest, AnEmptyReplyIsAReply) {
  serve(patient(),
        [](const std::string&, const UnixServer::Reply& reply) { reply(std::string()); });
  EXPECT_EQ(ask("GET\n"), "");
  EXPECT_EQ(stats().replies_dropped, 0U);
}

TEST_F(UnixServerTest, TheLongestRequestIsServed) {
  serve();
  const std::string word(kMaxRequestBytes - 1, 'w');
  EXPECT_EQ(ask(word + "\n"), "<" + word + ">");
}

TEST_F(UnixServerTest, ASlowReaderGetsItAll) {
  serve();
  const Client client(path());
  ASSERT_TRUE(client.send("large\n"));
  EXPECT_EQ(client.receive_all(10'000).text, large_text());
}

TEST_F(UnixServerTest, AReplyMayComeLater) {
  UnixServer::Reply kept;
  serve(patient(), [&](const std::string& word, UnixServer::Reply reply) {
    if (word == "later") {
      kept = std::move(reply);
    } else {
      reply(word);
    }
  });
  const Client waiting(path());
  ASSERT_TRUE(waiting.send("later\n"));
  ASSERT_TRUE(eventually([this] { return stats().requests == 1; }));
  EXPECT_EQ(ask("GET\n"), "GET");
  EXPECT_FALSE(waiting.is_readable(0ms));
  EXPECT_TRUE(on_reactor([&] { return kept.wanted(); }));
  EXPECT_FALSE(on_reactor([&] {
    kept(std::string("at last"));
    kept(std::string("and again"));
    return kept.wanted();
  }));
  EXPECT_EQ(waiting.receive_all().text, "at last");
  reactor_.post([&] { kept(std::string("once more")); });
  EXPECT_EQ(ask("GET\n"), "GET");
  stop();
}

TEST_F(UnixServerTest, AReplyAfterTheServerIsGoneIsHarmless) {
  UnixServer::Reply kept;
  serve(patient(), [&](const std::string&, UnixServer::Reply reply) { kept = std::move(reply); });
  const Client client(path());
  ASSERT_TRUE(client.send("GET\n"));
  ASSERT_TRUE(eventually([this] { return stats().requests == 1; }));
  on_reactor([this] {
    server_.reset();
    return 0;
  });
  const Received received = client.receive_all();
  EXPECT_EQ(received.text, "");
  on_reactor([&] {
    kept(std::string("too late"));
    return 0;
  });
  stop();
  EXPECT_FALSE(kept.wanted());
  kept(std::string("later still"));
}

TEST_F(UnixServerTest, AReplyBeyondTheBoundIsNotSent) {
  ServerLimits limits = patient();
  limits.max_reply_bytes = 1000;
  serve(limits, [](const std::string& word, const UnixServer::Reply& reply) {
    reply(std::string(word == "fits" ? 1000 : 1001, 'r'));
  });
  EXPECT_EQ(ask("fits\n"), std::string(1000, 'r'));
  EXPECT_EQ(ask("larger\n"), "");
  EXPECT_EQ(stats().replies_dropped, 1U);
}

// The one who runs the server may send one, and so may root.
TEST_F(UnixServerTest, ABodyOfAMebibyte) {
  ServerLimits limits = patient();
  limits.owner = ::geteuid();
  serve(limits, [](const std::string& request, const UnixServer::Reply& reply) {
    reply(request.substr(0, request.find('\n')) + ": " +
          std::to_string(request.size() - request.find('\n') - 1));
  });
  EXPECT_EQ(ask("RELOAD 1048576\n" + std::string(kMaxBodyBytes, '\0')), "RELOAD 1048576: 1048576");
  EXPECT_EQ(ask("RELOAD 3\nabcGET\n"), "RELOAD 3: 3") << "what follows is ignored";
  EXPECT_EQ(stats().requests, 2U);
}

TEST_F(UnixServerTest, ABodyIsBound) {
  ServerLimits limits = patient();
  limits.owner = ::geteuid();
  limits.max_body_bytes = 10;
  serve(limits);
  EXPECT_EQ(ask("RELOAD 11\nabcdefghijk"), "<RELOAD 11>") << "a line like any other";
  EXPECT_EQ(stats().requests_dropped, 0U);
}

TEST_F(UnixServerTest, ABodyHasTheDeadlineOfTheRequest) {
  ServerLimits limits = patient();
  limits.owner = ::geteuid();
  limits.request_deadline = 100ms;
  serve(limits);
  const Client client(path());
  client.send("RELOAD 10\nabc");  // unless the deadline has come first
  EXPECT_EQ(client.receive_all().text, "") << "the rest never comes";
  EXPECT_EQ(stats().requests_dropped, 1U);
}

TEST_F(UnixServerTest, ManyClientsAtOnce) {
  serve();
  std::vector<std::thread> threads;
  std::atomic<int> served{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 50; ++turn) {
        const std::string word = "w" + std::to_string(i) + "." + std::to_string(turn);
        const Client client(path());
        if (client.send(word + "\n") && client.receive_all().text == "<" + word + ">") ++served;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, 400);
}

TEST_F(UnixServerTest, ItsEndClosesClientsAndRemovesTheSocket) {
  serve();
  const Client reading(path());
  const Client writing(path());
  ASSERT_TRUE(writing.send("large\n"));
  ASSERT_TRUE(eventually([this] { return stats().requests == 1; }));
  stop();
  server_.reset();
  EXPECT_FALSE(exists(path()));
  EXPECT_FALSE(exists(path() + ".lock"));
  const Received idle = reading.receive_all();
  EXPECT_EQ(idle.text, "");
  EXPECT_EQ(idle.error, 0);
  EXPECT_LT(writing.receive_all().text.size(), kLargeReply);
}

TEST_F(UnixServerTest, ASecondServerOnThePathIsRefused) {
  serve();
  EXPECT_THROW(static_cast<void>(SocketPath::listen(path(), SocketPath::Parent::must_exist)),
               ListenError);
  EXPECT_EQ(ask("GET\n"), "<GET>");
}

TEST_F(UnixServerTest, APathWhoseListenerWasTakenIsAnError) {
  SocketPath place = SocketPath::listen(dir_ / "y.sock", SocketPath::Parent::must_exist);
  const UniqueFd taken = place.take_listener();
  EXPECT_THROW(UnixServer(reactor_, std::move(place), {}, answer_by_word), std::system_error);
  EXPECT_FALSE(exists(dir_ / "y.sock"));
}

}  // namespace
}  // namespace tcpeek::ipc
