// Once round the table each second, whatever the slices and whatever came between.
#include "engine/live/sweep_pace.h"

#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using namespace std::chrono_literals;

constexpr PacketTime kStart{1'700'000'000s};
constexpr std::size_t kGroups = 107'527;  // of a million attempts

TEST(SweepPaceTest, OnceRoundInASecond) {
  SweepPace pace(kStart);
  EXPECT_EQ(pace.due(kStart, kGroups), 0U);
  EXPECT_EQ(pace.due(kStart + 500ms, 100), 50U);
  EXPECT_EQ(pace.due(kStart + 1s, kGroups), kGroups);
}

TEST(SweepPaceTest, WhatIsNotSweptStaysDue) {
  SweepPace pace(kStart);
  ASSERT_EQ(pace.due(kStart + 1s, 1000), 1000U);
  pace.swept(512, 1000);
  EXPECT_EQ(pace.due(kStart + 1s, 1000), 488U);
  pace.swept(488, 1000);
  EXPECT_EQ(pace.due(kStart + 1s, 1000), 0U);
}

TEST(SweepPaceTest, ManyRoundsInSlicesAreAsManyRounds) {
  SweepPace pace(kStart);
  std::size_t swept = 0;
  for (auto now = kStart; now < kStart + 100s; now += 7ms) {
    const std::size_t slice = std::min<std::size_t>(pace.due(now, kGroups), 1024);
    if (slice == 0) continue;
    pace.swept(slice, kGroups);
    swept += slice;
  }
  EXPECT_NEAR(static_cast<double>(swept), 100.0 * kGroups, 0.01 * 100 * kGroups);
}

// docker pause, SIGSTOP: days later the product of groups and time had more than 64 bits, and nothing
// timed out any more.
TEST(SweepPaceTest, AReaderStoppedForAnyTimeHasOneRoundToDo) {
  for (const std::size_t groups : {std::size_t{1}, kGroups, 10 * kGroups, 100 * kGroups}) {
    for (const auto pause : {2s, 3600s, 86'400s, 30 * 86'400s, 3650 * 86'400s}) {
      SweepPace pace(kStart);
      EXPECT_EQ(pace.due(kStart + pause, groups), groups) << groups << ' ' << pause.count();
      pace.swept(groups, groups);
      EXPECT_EQ(pace.due(kStart + pause, groups), 0U);
      EXPECT_EQ(pace.due(kStart + pause + 1s, groups), groups);
    }
  }
}

TEST(SweepPaceTest, NothingIsDueBeforeTheStart) {
  SweepPace pace(kStart);
  EXPECT_EQ(pace.due(kStart - 10s, kGroups), 0U);
}

}  // namespace
}  // namespace tcpeek::engine
