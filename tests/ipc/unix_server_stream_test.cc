// Replies without end: as fast as their clients take them, beside the others, and bounded.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "ipc/unix_server.h"
#include "tests/ipc/unix_server_fixture.h"

namespace tcpeek::ipc {
namespace {

using namespace test;

// "stream" gets what say() says from then on, "flood" numbers without end, any other word itself.
class StreamTest : public UnixServerTest {
 protected:
  void serve_streams(ServerLimits limits = patient()) {
    serve(limits, [this](std::string word, UnixServer::Reply reply) { answer(word, reply); });
  }

  void answer(const std::string& word, const UnixServer::Reply& reply) {
    if (word == "flood") {
      const auto stream = reply.stream([this](std::string& piece) {
        ++pieces_;
        piece.append(60'000, 'x');
      });
      if (!stream) return reply(std::string("full"));
      return stream->wake();
    }
    if (word != "stream") return reply("<" + word + ">");
    auto text = std::make_shared<std::string>();
    const auto stream = reply.stream([text](std::string& piece) {
      piece += *text;
      text->clear();
    });
    if (!stream) return reply(std::string("full"));
    streams_.push_back({text, stream});
  }

  // To all of them.
  void say(const std::string& text) {
    on_reactor([&] {
      for (auto& [said, stream] : streams_) {
        *said += text;
        stream->wake();
      }
      return true;
    });
  }

  void TearDown() override {
    streams_.clear();
    UnixServerTest::TearDown();
  }

  Client ask_for(std::string_view word) {
    const std::uint64_t before = stats().watchers;
    Client client(path());
    EXPECT_TRUE(client.send(std::string(word) + "\n"));
    EXPECT_TRUE(eventually([&] { return stats().watchers == before + 1; }));
    return client;
  }

  // Once no more are asked for, however often the reactor looks.
  std::uint64_t pieces_at_rest() {
    std::uint64_t seen = 0;
    for (int unchanged = 0; unchanged < 100; ++unchanged) {
      const std::uint64_t now = on_reactor([this] { return pieces_.load(); });
      if (now != seen || now == 0) unchanged = 0;
      seen = now;
    }
    return seen;
  }

  static std::string receive(const Client& client, std::size_t bytes) {
    return client.receive_some(bytes).text;
  }

  std::vector<std::pair<std::shared_ptr<std::string>, std::shared_ptr<Stream>>> streams_;
  std::atomic<std::uint64_t> pieces_{0};
};

TEST_F(StreamTest, SaysWhatComesUntilTheServerEnds) {
  serve_streams();
  const Client client = ask_for("stream");
  say("one\n");
  EXPECT_EQ(receive(client, 4), "one\n");
  say("two\n");
  say("three\n");
  EXPECT_EQ(receive(client, 10), "two\nthree\n");
  EXPECT_EQ(ask("GET\n"), "<GET>");
  stop();
  server_.reset();
  const Received rest = client.receive_all();
  EXPECT_EQ(rest.text, "");
  EXPECT_EQ(rest.error, 0);
}

TEST_F(StreamTest, WhoLeavesIsNoticed) {
  serve_streams();
  Client client = ask_for("stream");
  EXPECT_TRUE(on_reactor([this] { return streams_[0].second->is_open(); }));
  client.close();
  EXPECT_TRUE(eventually([this] { return stats().watchers == 0; })) << "though nothing was said";
  EXPECT_FALSE(on_reactor([this] { return streams_[0].second->is_open(); }));
  say("into the void\n");
}

TEST_F(StreamTest, WhoEndsItsSideStays) {
  serve_streams();
  const Client client = ask_for("stream");
  client.end_sending();
  say("still here\n");
  EXPECT_EQ(receive(client, 11), "still here\n");
  const Client by_end_of_input(path());
  ASSERT_TRUE(by_end_of_input.send("stream"));
  by_end_of_input.end_sending();
  ASSERT_TRUE(eventually([this] { return stats().watchers == 2; }));
  say("both\n");
  EXPECT_EQ(receive(by_end_of_input, 5), "both\n");
}

TEST_F(StreamTest, OneTooManyIsRefusedAndNobodyDisplaced) {
  ServerLimits limits = patient();
  limits.max_streams = 3;
  limits.max_clients = 4;
  serve_streams(limits);
  std::vector<Client> streams;
  for (std::size_t i = 0; i < limits.max_streams; ++i) streams.push_back(ask_for("stream"));
  EXPECT_EQ(ask("stream\n"), "full");
  std::vector<Client> others;
  for (int i = 0; i < 50; ++i) others.emplace_back(path());
  EXPECT_EQ(ask("GET\n"), "<GET>");
  EXPECT_EQ(stats().watchers, limits.max_streams);
  EXPECT_EQ(stats().watchers_refused, 1U);
  say("all\n");
  for (const Client& client : streams) EXPECT_EQ(receive(client, 4), "all\n");
  streams.pop_back();
  ASSERT_TRUE(eventually([this] { return stats().watchers == 2; }));
  streams.push_back(ask_for("stream"));
}

TEST_F(StreamTest, ASlowClientHasOnePieceWaitingAndDelaysNobody) {
  serve_streams();
  const Client slow = ask_for("flood");
  const std::uint64_t asked_for = pieces_at_rest();
  EXPECT_LT(asked_for, 100U) << "what its socket holds, and one piece";
  const Client stream = ask_for("stream");
  say("soon\n");
  EXPECT_EQ(receive(stream, 5), "soon\n");
  EXPECT_EQ(pieces_, asked_for);
  EXPECT_EQ(receive(slow, 10'000'000), std::string(10'000'000, 'x')) << "it goes on as it reads";
}

TEST_F(StreamTest, AFloodLeavesTimeForOthers) {
  serve_streams();
  const Client flooded = ask_for("flood");
  std::atomic<bool> done{false};
  std::thread reading([&] {
    while (!done) receive(flooded, 1'000'000);
  });
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ask("GET\n"), "<GET>");
  done = true;
  reading.join();
}

TEST_F(StreamTest, WhoTakesNothingForLongIsClosed) {
  ServerLimits limits = patient();
  limits.stream_stall = 100ms;
  serve_streams(limits);
  const Client quiet = ask_for("stream");  // has nothing to take
  const Client stuck(path());
  ASSERT_TRUE(stuck.send("flood\n"));
  ASSERT_TRUE(eventually([this] { return stats().watchers_stalled == 1; }));
  EXPECT_EQ(stats().watchers, 1U);
  say("alive\n");
  EXPECT_EQ(receive(quiet, 6), "alive\n");
}

TEST_F(StreamTest, BytesAfterTheRequestAreNotRead) {
  serve_streams();
  const Client client(path());
  ASSERT_TRUE(client.send("stream\n" + std::string(50'000, 'z')));
  ASSERT_TRUE(eventually([this] { return stats().watchers == 1; }));
  say("one\n");
  EXPECT_EQ(receive(client, 4), "one\n");
}

}  // namespace
}  // namespace tcpeek::ipc
