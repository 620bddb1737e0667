// One snapshot of all readers, for each who asks, never older than the question.
#include "engine/live/snapshot_collector.h"

#include <gtest/gtest.h>

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
using test::Readers;
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

  // The frames are numbered: which round a snapshot is of.
  [[nodiscard]] Snapshot frame() {
    Snapshot s;
    s.version = std::to_string(++frames_);
    for (const FilterExpression& filter : readers_.matcher().counted()) {
      s.filters.push_back({.name = filter.name, .expression = filter.text, .counts = {}});
    }
    return s;
  }

  void send_syn(std::size_t reader, std::uint16_t port) {
    const Mailbox::Slip& slip = reader == 0 ? slip0_ : slip1_;
    auto segment = Ends{v4(1, port), v4(2, 80)}.syn(10).segment();
    segment.time = PacketTime(read_clocks().wall - 1s);
    ASSERT_TRUE(readers_.mailbox(reader).send(slip, segment));
  }

  Readers readers_{2};
  Mailbox::Slip slip0_ = readers_.mailbox(0).slip();
  Mailbox::Slip slip1_ = readers_.mailbox(1).slip();
  ipc::Reactor reactor_;
  int frames_ = 0;
  SnapshotCollector snapshot_collector_{reactor_, readers_.report_ready(), readers_.readers(),
                                        [this] { return frame(); }};
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
  EXPECT_EQ(frames_, 1);
}

TEST_F(SnapshotCollectorTest, WhoAsksMeanwhileWaitsForTheNextRound) {
  std::vector<std::string> order;
  const auto note = [&](const char* who) {
    return [&order, who, this](const Snapshot& s) {
      order.push_back(who + s.version);
      if (order.size() == 4) reactor_.stop();
    };
  };
  snapshot_collector_.collect(note("first "));
  snapshot_collector_.collect(note("second "));
  snapshot_collector_.collect(note("third "));
  reactor_.post([&] { snapshot_collector_.collect(note("fourth ")); });
  reactor_.run();
  ASSERT_EQ(order.size(), 4U);
  EXPECT_EQ(order[0], "first 1");
  EXPECT_EQ(order[1], "second 2");
  EXPECT_EQ(order[2], "third 2") << "those who wait share a round";
  EXPECT_EQ(order[3], "fourth 2");
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

// A letter read by one and not yet counted as sent by the other would make a count negative: such
// reports are taken again. Here letters come from outside, so they never add up.
// The letter's sender is no reader, so that its mail is never reported as sent.
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
