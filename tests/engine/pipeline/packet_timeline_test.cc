// Steps of the wall clock: timeouts and durations must not notice, whichever way it went.
#include "engine/pipeline/packet_timeline.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "tests/engine/live/machine.h"

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using namespace std::chrono_literals;

using test::kWall;
using test::Machine;

TEST(PacketTimelineTest, AgreesWithTheWallClockAtFirst) {
  Machine machine;
  PacketTimeline timeline(machine.read());
  timeline.observe(machine.read());
  EXPECT_EQ(timeline.now(), PacketTime(kWall));
  EXPECT_EQ(timeline.at(kWall), PacketTime(kWall));
  EXPECT_EQ(timeline.at(kWall - 3s), PacketTime(kWall - 3s));
  EXPECT_EQ(timeline.wall(PacketTime(kWall - 3s)), kWall - 3s);
}

TEST(PacketTimelineTest, NowFollowsTheMonotonicClock) {
  Machine machine;
  PacketTimeline timeline(machine.read());
  for (const nanoseconds step : {nanoseconds(1h), nanoseconds(-2h), nanoseconds(24h * 365)}) {
    machine.pass(17s);
    machine.step(step);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.now(), machine.truth());
  }
}

TEST(PacketTimelineTest, StepsAreTakenOutOfStamps) {
  for (const nanoseconds step : {nanoseconds(1h), nanoseconds(-1h), nanoseconds(1s),
                                 nanoseconds(-1s), nanoseconds(101ms), nanoseconds(-101ms)}) {
    SCOPED_TRACE(step.count());
    Machine machine;
    PacketTimeline timeline(machine.read());
    timeline.observe(machine.read());
    const PacketTime before = timeline.at(machine.stamp());
    machine.pass(2s);
    machine.step(step);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(machine.stamp()) - before, 2s);
    EXPECT_EQ(timeline.at(machine.stamp()), machine.truth());
  }
}

TEST(PacketTimelineTest, EveryOneOfManyStepsIsTakenOut) {
  Machine machine;
  PacketTimeline timeline(machine.read());
  for (int i = 0; i < 50; ++i) {
    machine.pass(1s);
    machine.step(i % 3 == 0 ? -40min : 11min);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(machine.stamp()), machine.truth()) << i;
  }
}

// What differs by less than a step stays as it is: a jump for each wobble would be worse.
TEST(PacketTimelineTest, SmallDifferencesAreNoStep) {
  for (const nanoseconds drift : {nanoseconds(100ms), nanoseconds(-100ms), nanoseconds(1)}) {
    Machine machine;
    PacketTimeline timeline(machine.read());
    machine.pass(1s);
    machine.step(drift);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(machine.stamp()), machine.truth() + drift);
  }
}

TEST(PacketTimelineTest, DriftThatAddsUpIsCorrectedOnce) {
  Machine machine;
  PacketTimeline timeline(machine.read());
  nanoseconds worst{0};
  for (int i = 0; i < 1000; ++i) {
    machine.pass(1s);
    machine.step(1ms);
    timeline.observe(machine.read());
    worst = std::max(worst, std::chrono::abs(timeline.at(machine.stamp()) - machine.truth()));
  }
  EXPECT_LE(worst, 100ms);
}

TEST(PacketTimelineTest, StampsFromTheFutureAreHeldBack) {
  Machine machine;
  PacketTimeline timeline(machine.read());
  machine.pass(1s);
  timeline.observe(machine.read());
  for (const nanoseconds ahead : {nanoseconds(1h), nanoseconds(24h * 365), nanoseconds(101ms)}) {
    const PacketTime at = timeline.at(machine.stamp() + ahead);
    EXPECT_GE(at, timeline.now());
    EXPECT_LE(at, timeline.now() + 100ms);
  }
  // Captured after the look at the clocks, in the same turn.
  EXPECT_EQ(timeline.at(machine.stamp() + 5ms), timeline.now() + 5ms);
}

// A reader that has slept through hours has captured nothing in them: a step by less is one all the same.
TEST(PacketTimelineTest, StepsAreTakenOutOfStampsAfterALongSleep) {
  for (const nanoseconds step : {nanoseconds(1h), nanoseconds(-1h), nanoseconds(1s)}) {
    SCOPED_TRACE(step.count());
    Machine machine;
    PacketTimeline timeline(machine.read());
    timeline.observe(machine.read());
    machine.pass(5h);
    const nanoseconds before_step = machine.stamp();
    const PacketTime truth = machine.truth();
    machine.pass(5ms);
    machine.step(step);
    const nanoseconds after_step = machine.stamp();
    machine.pass(5ms);
    timeline.captured_nothing_until(machine.read().monotonic - 500ms);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(before_step), truth);
    EXPECT_EQ(timeline.at(after_step), truth + 5ms);
  }
}

// Packets that came after the step keep their order and their distances, whenever they are read.
TEST(PacketTimelineTest, DurationsAfterAStepAreTrue) {
  for (const nanoseconds step : {nanoseconds(1h), nanoseconds(-1h)}) {
    Machine machine;
    PacketTimeline timeline(machine.read());
    timeline.observe(machine.read());
    machine.step(step);
    const nanoseconds syn = machine.stamp();
    machine.pass(30ms);
    const nanoseconds synack = machine.stamp();
    machine.pass(1ms);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(synack) - timeline.at(syn), 30ms);
    machine.pass(3s);
    const nanoseconds ack = machine.stamp();
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(ack) - timeline.at(syn), 3s + 31ms);
  }
}

TEST(PacketTimelineTest, AnAttemptOpenAcrossAStepKeepsItsDuration) {
  for (const nanoseconds step : {nanoseconds(1h), nanoseconds(-1h)}) {
    Machine machine;
    PacketTimeline timeline(machine.read());
    timeline.observe(machine.read());
    const PacketTime syn = timeline.at(machine.stamp());
    machine.pass(10s);
    machine.step(step);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(machine.stamp()) - syn, 10s);
  }
}

// What the kernel stamped before a step and a reader sees after it: a ring's backlog.
// Between the check and the packets that are read by it; whether the clock was ever stepped or not.
TEST(PacketTimelineTest, AThreadThatWasHeldUpChecksAgain) {
  for (const nanoseconds step : {nanoseconds(0), nanoseconds(-8h), nanoseconds(8h)}) {
    SCOPED_TRACE(step.count());
    Machine machine;
    PacketTimeline timeline(machine.read());
    machine.pass(10s);
    machine.step(step);
    timeline.observe(machine.read());
    machine.pass(90ms);
    EXPECT_FALSE(timeline.is_ahead(machine.stamp()));
    machine.pass(3s);
    ASSERT_TRUE(timeline.is_ahead(machine.stamp()));
    timeline.observe(machine.read());
    EXPECT_FALSE(timeline.is_ahead(machine.stamp()));
    EXPECT_EQ(timeline.at(machine.stamp()), machine.truth());
    EXPECT_EQ(timeline.at(machine.stamp() - 2s), flowtable::PacketTime(machine.truth() - 2s));
  }
}

TEST(PacketTimelineTest, StampsFromBeforeAStepAreKnown) {
  for (const nanoseconds step : {nanoseconds(1h), nanoseconds(-1h), nanoseconds(24h * 30)}) {
    SCOPED_TRACE(step.count());
    Machine machine;
    PacketTimeline timeline(machine.read());
    timeline.observe(machine.read());
    machine.pass(2s);
    const nanoseconds syn = machine.stamp();
    const PacketTime sent = machine.truth();
    machine.pass(3s);
    const nanoseconds synack = machine.stamp();
    machine.step(step);
    const nanoseconds ack = machine.stamp();
    machine.pass(1s);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(syn), sent);
    EXPECT_EQ(timeline.at(synack), sent + 3s);
    EXPECT_EQ(timeline.at(ack), sent + 3s);
    // Some turns later it is the same.
    machine.pass(10s);
    timeline.observe(machine.read());
    EXPECT_EQ(timeline.at(syn), sent);
    EXPECT_EQ(timeline.at(ack), sent + 3s);
    EXPECT_EQ(timeline.at(machine.stamp()), machine.truth());
  }
}

TEST(PacketTimelineTest, WallIsTheWayBack) {
  Machine machine;
  PacketTimeline timeline(machine.read());
  for (const nanoseconds step : {nanoseconds(0), nanoseconds(1h), nanoseconds(-3h)}) {
    machine.pass(5s);
    machine.step(step);
    timeline.observe(machine.read());
    for (const nanoseconds ago : {nanoseconds(0), nanoseconds(1), nanoseconds(4s)}) {
      const nanoseconds stamp = machine.stamp() - ago;
      EXPECT_EQ(timeline.wall(timeline.at(stamp)), stamp);
    }
  }
}

TEST(PacketTimelineTest, ReadersOfOneStartAgree) {
  Machine machine;
  const ClockReading start = machine.read();
  PacketTimeline early(start);
  early.observe(machine.read());
  machine.pass(20s);
  machine.step(1h);
  PacketTimeline late(start);
  early.observe(machine.read());
  late.observe(machine.read());
  EXPECT_EQ(early.at(machine.stamp()), late.at(machine.stamp()));
  EXPECT_EQ(early.now(), late.now());
}

// Clocks that agree, read by a thread that is kept from its CPU now and then.
struct Interrupted {
  std::vector<nanoseconds> pauses;  // before each look, the last ones first
  nanoseconds at = 1000s;

  nanoseconds operator()(clockid_t) {
    at += 1us;
    if (!pauses.empty()) {
      at += pauses.back();
      pauses.pop_back();
    }
    return at;
  }
};

TEST(ReadClocksTest, APauseBetweenThemIsNoStep) {
  for (int pause_at = 0; pause_at < 3; ++pause_at) {
    Interrupted interrupted;
    interrupted.pauses.assign(static_cast<std::size_t>(pause_at) + 1, 0ns);
    interrupted.pauses.front() = 300ms;
    const ClockReading reading = read_together(interrupted);
    EXPECT_LE(std::chrono::abs(reading.wall - reading.monotonic), 1ms) << pause_at;
  }
}

TEST(ReadClocksTest, EndsOnAMachineThatAlwaysPauses) {
  Interrupted interrupted;
  interrupted.pauses.assign(1000, 300ms);
  static_cast<void>(read_together(std::ref(interrupted)));
  EXPECT_GT(interrupted.pauses.size(), 900U);
}

TEST(ReadClocksTest, TellsBothClocks) {
  const ClockReading first = read_clocks();
  const ClockReading second = read_clocks();
  EXPECT_GE(second.monotonic, first.monotonic);
  EXPECT_GT(first.wall, nanoseconds(1'600'000'000s));
  const auto system = std::chrono::system_clock::now().time_since_epoch();
  EXPECT_LT(std::chrono::abs(second.wall - nanoseconds(system)), nanoseconds(60s));
}

}  // namespace
}  // namespace tcpeek::engine
