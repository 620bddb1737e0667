// Watchers by real clients of a real server, and a clock of the test's.
#include "engine/serve/watchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <string>
#include <vector>

#include "tests/ipc/unix_server_fixture.h"

namespace tcpeek::engine {
namespace {

using ipc::test::Client;
using ipc::test::patient;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using namespace std::chrono_literals;

class WatchersTest : public ipc::test::UnixServerTest {
 protected:
  void SetUp() override {
    serve(patient(), [this](const std::string& word, const ipc::Reply& reply) {
      if (!watchers_.ask(word, reply)) reply(std::string("<other>"));
    });
  }

  void TearDown() override {
    stop();
    server_.reset();
  }

  Client watch(const std::string& arguments = "") {
    const std::size_t before = stats().watchers;
    Client client(path());
    EXPECT_TRUE(client.send("WATCH " + arguments + "\n"));
    EXPECT_TRUE(ipc::test::eventually([&] { return stats().watchers == before + 1; }));
    return client;
  }

  void add(const std::string& line) {
    on_reactor([&] {
      log_.add({.kind = ipc::EventKind::success, .filters = nullptr, .line = line});
      watchers_.wake();
      return true;
    });
  }

  void second(Watchers::Clock::time_point now) {
    on_reactor([&] {
      watchers_.each_second(now);
      return true;
    });
  }

  [[nodiscard]] bool keeping() {
    return on_reactor([this] { return log_.keeping(); });
  }

  static void expect(const Client& client, const std::string& text) {
    EXPECT_EQ(client.receive_some(text.size()).text, text);
  }

  ipc::EventLog log_{"b"};
  std::vector<bool> listened_;
  std::atomic<bool> no_memory_{false};
  Watchers watchers_{log_,
                     [] {
                       return std::vector<std::string>{"RX", "TX"};
                     },
                     [this](bool listen) {
                       listened_.push_back(listen);
                       if (listen && no_memory_) throw std::bad_alloc();
                     }};
};

TEST_F(WatchersTest, EventsReachWhoWatches) {
  const Client client = watch();
  expect(client, "{\"boot\":\"b\",\"at\":0}\n");
  add("one");
  add("two");
  expect(client, "one\ntwo\n");
  EXPECT_EQ(ask("GET\n"), "<other>");
  EXPECT_THAT(ask("WATCH nothing\n"), StartsWith(R"({"error":"WATCH: 'nothing' is not an)"));
  EXPECT_THAT(ask("WATCH filter=web\n"), StartsWith(R"({"error":"WATCH: no filter is named)"));
}

TEST_F(WatchersTest, NobodyListensUntilSomebodyWatchesAndFiveMinutesAfter) {
  add("unheard");
  EXPECT_FALSE(keeping());
  EXPECT_THAT(listened_, IsEmpty());
  Client client = watch();
  EXPECT_TRUE(keeping());
  EXPECT_THAT(listened_, ElementsAre(true));
  add("heard");
  const auto now = Watchers::Clock::now();
  second(now + 1h);
  EXPECT_TRUE(keeping()) << "it is still there";
  client.close();
  ASSERT_TRUE(ipc::test::eventually([this] { return stats().watchers == 0; }));
  second(now + 1h + Watchers::kLinger - 1s);
  EXPECT_TRUE(keeping());
  const Client again = watch("from=2");
  expect(again, "{\"boot\":\"b\",\"at\":1}\nheard\n");
  EXPECT_THAT(listened_, ElementsAre(true));
}

TEST_F(WatchersTest, AfterwardsNothingIsKept) {
  watch().close();
  ASSERT_TRUE(ipc::test::eventually([this] { return stats().watchers == 0; }));
  second(Watchers::Clock::now() + Watchers::kLinger);
  EXPECT_FALSE(keeping());
  EXPECT_THAT(listened_, ElementsAre(true, false));
  add("unheard");
  const Client client = watch("from=1");
  expect(client, "{\"boot\":\"b\",\"at\":0}\n{\"gap\":{\"from\":1,\"to\":1}}\n");
  EXPECT_THAT(listened_, ElementsAre(true, false, true));
}

TEST_F(WatchersTest, EachSecondHowFarIfNotToldAll) {
  const Client some = watch("result=failure");
  const Client all = watch();
  add("x");
  second(Watchers::Clock::now());
  expect(some, "{\"boot\":\"b\",\"at\":0}\n{\"boot\":\"b\",\"at\":1}\n");
  expect(all, "{\"boot\":\"b\",\"at\":0}\nx\n");
  EXPECT_FALSE(all.is_readable(50ms));
}

TEST_F(WatchersTest, WithoutMemoryAWatcherIsRefused) {
  no_memory_ = true;
  EXPECT_THAT(ask("WATCH\n"), StartsWith(R"({"error":"WATCH: there is no memory left)"));
  EXPECT_FALSE(keeping());
  no_memory_ = false;
  const Client client = watch();
  EXPECT_THAT(listened_, ElementsAre(true, false, true));
}

TEST_F(WatchersTest, TheSeventeenthIsRefusedAndToldWhy) {
  std::vector<Client> clients;
  for (std::size_t i = 0; i < ipc::ServerLimits{}.max_streams; ++i) clients.push_back(watch());
  EXPECT_EQ(ask("WATCH\n"),
            R"({"error":"WATCH: all 16 places are taken; try again when a watcher has left"})");
  clients.front().close();
  ASSERT_TRUE(ipc::test::eventually([this] { return stats().watchers == 15; }));
  clients.push_back(watch());
}

}  // namespace
}  // namespace tcpeek::engine
