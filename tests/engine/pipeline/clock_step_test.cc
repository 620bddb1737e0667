// The wall clock is stepped an hour while attempts are open: between two packets, and between a packet
// and its being read. No attempt times out for it, none is lost, and handshakes last as long as they
// did.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/engine/live/machine.h"
#include "tests/engine/pipeline/counting_rig.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using flowtable::test::Ends;
using flowtable::test::Packet;
using flowtable::test::v4;
using ipc::Tally;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

// A reader as Reader::poll_once() is, without rings: what is captured waits, stamped, for the next turn.
class SteppedReader {
 public:
  SteppedReader() { rig_.timeline = PacketTimeline(machine_.read()); }

  void capture(const Packet& packet) { backlog_.emplace_back(machine_.stamp(), packet); }

  void turn() {
    rig_.timeline.observe(machine_.read());
    for (const auto& [stamp, packet] : std::exchange(backlog_, {})) {
      flowtable::Segment segment = packet.segment();
      segment.time = rig_.timeline.at(stamp);
      rig_.tracker.on_segment(segment);
    }
    rig_.tracker.sweep_all(rig_.timeline.now() - 20ms);
  }

  test::Machine& machine() { return machine_; }
  [[nodiscard]] std::uint64_t count(Tally tally) const { return rig_.totals()[tally]; }
  std::vector<OutcomeRecord> told() { return rig_.told(); }

 private:
  test::Machine machine_;
  test::CountingRig rig_;
  std::vector<std::pair<nanoseconds, Packet>> backlog_;
};

constexpr auto kOneWay = 30ms;

// Moments of a handshake at which something may happen: before its SYN, its SYN/ACK, its ACK, and
// after that.
constexpr int kMoments = 4;

// Plays a handshake; at moment `step_at` the clock is stepped, at each moment in `turns` a turn made.
void play(SteppedReader& reader, std::uint16_t port, int step_at, nanoseconds step,
          unsigned turns) {
  const Ends ends{v4(1, port), v4(2, 80)};
  const std::vector<Packet> packets{ends.syn(10), ends.synack(20, 11), ends.ack(11, 21)};
  for (int moment = 0; moment < kMoments; ++moment) {
    if (moment == step_at) reader.machine().step(step);
    if ((turns >> moment & 1U) != 0) reader.turn();
    if (moment == 3) break;
    reader.capture(packets[static_cast<std::size_t>(moment)]);
    reader.machine().pass(kOneWay);
  }
  reader.turn();
}

TEST(ClockStepTest, HandshakesSucceedAndLastAsLongAsTheyDid) {
  std::uint64_t played = 0;
  for (const nanoseconds step : {nanoseconds(1h), nanoseconds(-1h)}) {
    for (int step_at = 0; step_at < kMoments; ++step_at) {
      for (unsigned turns = 0; turns < 1U << kMoments; ++turns) {
        SCOPED_TRACE(testing::Message() << "step of " << step.count() << " at moment " << step_at
                                        << ", turns " << turns);
        SteppedReader reader;
        play(reader, 1000, -1, 0s, 0b1111);  // the program has run for a while
        static_cast<void>(reader.told());
        play(reader, 1001, step_at, step, turns);
        EXPECT_EQ(reader.count(Tally::success), 2U);
        EXPECT_EQ(reader.count(Tally::attempts), 2U);
        const std::vector<OutcomeRecord> told = reader.told();
        ASSERT_EQ(told.size(), 1U);
        EXPECT_EQ(told[0].duration, 2 * kOneWay);
        ++played;
      }
    }
  }
  EXPECT_EQ(played, 2U * kMoments * 16U);
}

TEST(ClockStepTest, ATimeoutComesAfterItsTimeAndNotBefore) {
  for (const nanoseconds step : {nanoseconds(1h), nanoseconds(-1h)}) {
    for (const bool read_before : {true, false}) {
      SCOPED_TRACE(testing::Message() << step.count() << ' ' << read_before);
      SteppedReader reader;
      reader.turn();
      reader.machine().pass(1s);
      reader.capture(Ends{v4(1, 1000), v4(2, 80)}.syn(10));
      if (read_before) reader.turn();
      reader.machine().step(step);
      reader.turn();
      reader.machine().pass(59s);
      reader.turn();
      EXPECT_EQ(reader.count(Tally::pending), 1U);
      reader.machine().pass(2s);
      reader.turn();
      EXPECT_EQ(reader.count(Tally::pending), 0U);
      EXPECT_EQ(reader.count(Tally::timed_out_no_answer), 1U);
      const std::vector<OutcomeRecord> told = reader.told();
      ASSERT_EQ(told.size(), 1U);
      EXPECT_EQ(told[0].duration, 60s);
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
