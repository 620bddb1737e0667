// One snapshot of all readers, for each who asks, never older than the question.
#include "engine/live/snapshot_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "tests/engine/live/readers_fixture.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using flowtable::test::Ends;
using flowtable::test::v4;
using ipc::Snapshot;
using ipc::Tally;
using test::ReadersRig;
using ::testing::ElementsAre;
using namespace std::chrono_literals;

class SnapshotCollectorTest : public testing::Test {
 protected:
  void SetUp() override {
    readers_.start();
    reactor_.after(20s, [this] {
      ADD_FAILURE() << "nobody stopped the reactor";
      reactor_.stop();
    });
  }

  void send_syn(std::size_t reader, std::uint16_t port) {
    const Mailbox::Sender& sender = reader == 0 ? sender0_ : sender1_;
    auto segment = Ends{v4(1, port), v4(2, 80)}.syn(10).segment();
    segment.time = PacketTime(read_clocks().wall - 1s);
    ASSERT_TRUE(readers_.mailbox(reader).send(sender, segment));
  }

  ReadersRig readers_{2};
  Mailbox::Sender sender0_ = readers_.mailbox(0).add_sender();
  Mailbox::Sender sender1_ = readers_.mailbox(1).add_sender();
  ipc::Reactor reactor_;
  Interfaces interfaces_{{"any"}, {}, {}};
  SnapshotCollector snapshot_collector_{reactor_, readers_.readers(), readers_.filters(),
                                        interfaces_, read_clocks()};
};

TEST_F(SnapshotCollectorTest, HasEveryReaderInItsOrder) {
  snapshot_collector_.collect([&](const Snapshot& s) {
    ASSERT_EQ(s.readers.size(), 2U);
    EXPECT_EQ(s.readers[0].id, 0U);
    EXPECT_EQ(s.readers[1].id, 1U);
    EXPECT_EQ(s.readers[1].cpu, -1);
    EXPECT_GE(s.readers[1].capacity, 1000U);
    reactor_.stop();
  });
  reactor_.run();
}

TEST_F(SnapshotCollectorTest, WhoAsksMeanwhileWaitsForTheNextRound) {
  int rounds = 0;
  snapshot_collector_.annotate([&](Snapshot&) { ++rounds; });
  std::vector<std::string> order;
  std::vector<int> answered_in;
  const auto note = [&](const char* who) {
    return [&order, &answered_in, &rounds, who, this](const Snapshot&) {
      order.emplace_back(who);
      answered_in.push_back(rounds);
      if (order.size() == 4) reactor_.stop();
    };
  };
  snapshot_collector_.collect(note("first"));
  snapshot_collector_.collect(note("second"));
  snapshot_collector_.collect(note("third"));
  reactor_.post([&] { snapshot_collector_.collect(note("fourth")); });
  reactor_.run();
  EXPECT_THAT(order, ElementsAre("first", "second", "third", "fourth"));
  EXPECT_THAT(answered_in, ElementsAre(1, 2, 2, 2)) << "those who wait share a round";
}

TEST_F(SnapshotCollectorTest, ReadersWithoutNewsAreNotAsked) {
  ASSERT_TRUE(readers_.reports_until([&] { return !readers_.readers().changed(); }));
  bool answered = false;
  snapshot_collector_.collect_changes([&](const Snapshot& s) {
    answered = true;
    EXPECT_EQ(s.totals[Tally::attempts], 0U);
  });
  EXPECT_TRUE(answered) << "from what they last told, without the reactor";

  send_syn(1, 1);
  ASSERT_TRUE(tcpeek::test::eventually([&] { return readers_.readers().changed(); }));
  snapshot_collector_.collect_changes([&](const Snapshot& s) {
    EXPECT_EQ(s.totals[Tally::attempts], 1U);
    reactor_.stop();
  });
  reactor_.run();
}

TEST_F(SnapshotCollectorTest, WhoAsksAgainFromTheAnswerIsAnswered) {
  int answers = 0;
  const std::function<void(const Snapshot&)> again = [&](const Snapshot&) {
    if (++answers == 500) return reactor_.stop();
    snapshot_collector_.collect(again);
  };
  snapshot_collector_.collect(again);
  reactor_.run();
  EXPECT_EQ(answers, 500);
}

// A segment received by one and not yet counted as mailed by the other would make a count negative:
// such reports are taken again. Here the mail comes from outside, so they never add up.
TEST_F(SnapshotCollectorTest, ReportsThatNeverAddUpAreShownInTheEnd) {
  send_syn(0, 1);
  ASSERT_TRUE(readers_.reports_until([&] { return readers_.sum(&ReaderReport::mailed_in) == 1; }));
  bool answered = false;
  snapshot_collector_.collect([&](const Snapshot&) {
    answered = true;
    reactor_.stop();
  });
  reactor_.after(10s, [this] { reactor_.stop(); });
  reactor_.run();
  EXPECT_TRUE(answered);
}

TEST_F(SnapshotCollectorTest, LastIsWhatTheReadersEndedWith) {
  send_syn(0, 1);
  send_syn(1, 2);
  readers_.stop();
  const Snapshot s = snapshot_collector_.last();
  EXPECT_EQ(s.totals[Tally::attempts], 2U);
  EXPECT_EQ(s.totals[Tally::pending], 2U);
  EXPECT_EQ(s.readers.size(), 2U);
}

}  // namespace
}  // namespace tcpeek::engine
