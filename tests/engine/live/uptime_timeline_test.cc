// What is told by uptime has one time, however often it is asked for, until somebody sets the wall clock.
#include "engine/live/uptime_timeline.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>

#include "tests/engine/live/machine.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::system_clock;
using namespace std::chrono_literals;
using test::kWall;
using test::Machine;

system_clock::time_point wall(nanoseconds since_1970) {
  return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(since_1970));
}

// Clocks that are read one after the other: the wall clock is up to 1 ms earlier.
ClockReading read_apart(const Machine& machine, nanoseconds apart) {
  ClockReading reading = machine.read();
  reading.monotonic += apart;
  return reading;
}

TEST(UptimeTimelineTest, AgreesWithTheWallClock) {
  Machine machine;
  UptimeTimeline timeline(machine.read());
  EXPECT_EQ(timeline.at(machine.read()).taken, wall(kWall));
  EXPECT_EQ(timeline.at(machine.read()).uptime, 0ms);
  machine.pass(1234567us);
  const ipc::UptimeClock now = timeline.at(machine.read());
  EXPECT_EQ(now.uptime, 1234ms);
  EXPECT_EQ(now.taken, wall(kWall + 1234ms))
      << "no part of a millisecond that the uptime does not have";
}

TEST(UptimeTimelineTest, AMomentHasOneTimeHoweverTheClocksAreRead) {
  tcpeek::test::for_each_seed(20, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_int_distribution<int> passes_us(0, 3'000'000);
    std::uniform_int_distribution<int> apart_us(0, 1000);
    Machine machine;
    UptimeTimeline timeline(read_apart(machine, microseconds(apart_us(random))));
    machine.pass(10s);
    const milliseconds moment = timeline.at(machine.read()).uptime;
    const auto told = timeline.at(machine.read()).time_of(moment);
    for (int i = 0; i < 1000; ++i) {
      machine.pass(microseconds(passes_us(random)));
      const ipc::UptimeClock now = timeline.at(read_apart(machine, microseconds(apart_us(random))));
      ASSERT_EQ(now.time_of(moment), told);
      ASSERT_LE(std::chrono::abs(now.taken - wall(machine.stamp())), 2ms);
    }
  });
}

TEST(UptimeTimelineTest, AStepOfTheWallClockMovesAllTimesAlike) {
  for (const nanoseconds step :
       {nanoseconds(6ms), nanoseconds(-6ms), nanoseconds(1h), nanoseconds(-1h)}) {
    SCOPED_TRACE(step.count());
    Machine machine;
    UptimeTimeline timeline(machine.read());
    machine.pass(5s);
    const ipc::UptimeClock before = timeline.at(machine.read());
    machine.step(step);
    machine.pass(1s);
    const ipc::UptimeClock after = timeline.at(machine.read());
    EXPECT_EQ(after.uptime, 6000ms) << "uptime is the monotonic clock's";
    EXPECT_EQ(after.taken, wall(machine.stamp()));
    EXPECT_EQ(after.time_of(before.uptime) - before.taken, step);
  }
}

}  // namespace
}  // namespace tcpeek::engine
