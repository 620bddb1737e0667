// One snapshot of all readers, for each who asks, never older than the question.
#include "engine/aggregator.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/engine/readers.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using flowtable::test::Ends;
using flowtable::test::v4;
using ipc::Snapshot;
using ipc::Tally;
using test::Readers;
using namespace std::chrono_literals;

class AggregatorTest : public testing::Test {
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
  Aggregator aggregator_{reactor_, readers_.report_ready(), readers_.shards(),
                         [this] { return frame(); }};
};

TEST_F(AggregatorTest, HasEveryReaderInItsOrder) {
  aggregator_.collect([&](const Snapshot& s) {
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

TEST_F(AggregatorTest, WhoAsksMeanwhileWaitsForTheNextRound) {
  std::vector<std::string> order;
  const auto note = [&](const char* who) {
    return [&order, who, this](const Snapshot& s) {
      order.push_back(who + s.version);
      if (order.size() == 4) reactor_.stop();
    };
  };
  aggregator_.collect(note("first "));
  aggregator_.collect(note("second "));
  aggregator_.collect(note("third "));
  reactor_.post([&] { aggregator_.collect(note("fourth ")); });
  reactor_.run();
  ASSERT_EQ(order.size(), 4U);
  EXPECT_EQ(order[0], "first 1");
  EXPECT_EQ(order[1], "second 2");
  EXPECT_EQ(order[2], "third 2") << "those who wait share a round";
  EXPECT_EQ(order[3], "fourth 2");
}

TEST_F(AggregatorTest, WhoAsksAgainFromTheAnswerIsAnswered) {
  int answers = 0;
  const std::function<void(const Snapshot&)> again = [&](const Snapshot&) {
    if (++answers == 500) return reactor_.stop();
    aggregator_.collect(again);
  };
  aggregator_.collect(again);
  reactor_.run();
  EXPECT_EQ(answers, 500);
}

// A letter read by one and not yet counted as sent by the other would make a count negative: such
// reports are taken again. Here letters come from outside, so they never add up.
// The letter's sender is no reader, so that its mail is never reported as sent.
TEST_F(AggregatorTest, ReportsThatNeverAddUpAreShownInTheEnd) {
  send_syn(0, 1);
  ASSERT_TRUE(readers_.reports_until([&] { return readers_.sum(&ShardReport::mailed_in) == 1; }));
  bool answered = false;
  aggregator_.collect([&](const Snapshot&) {
    answered = true;
    reactor_.stop();
  });
  reactor_.after(10s, [this] { reactor_.stop(); });
  reactor_.run();
  EXPECT_TRUE(answered);
}

TEST_F(AggregatorTest, LastIsWhatTheReadersEndedWith) {
  send_syn(0, 1);
  send_syn(1, 2);
  readers_.stop();
  const Snapshot s = aggregator_.last();
  EXPECT_EQ(s.totals[Tally::attempts], 2U);
  EXPECT_EQ(s.totals[Tally::pending], 2U);
  EXPECT_EQ(s.readers.size(), 2U);
}

}  // namespace
}  // namespace tcpeek::engine
