// How often every reader has to answer.
#include "engine/live/answer_pace.h"

#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

using namespace std::chrono_literals;

// How many looks, a second apart, find it due.
unsigned due_in(AnswerPace pace, unsigned seconds) {
  unsigned due = 0;
  const AnswerPace::Clock::time_point start{1h};
  for (unsigned second = 0; second < seconds; ++second) {
    // Now and then a look comes late.
    due += pace.due(start + std::chrono::seconds(second) + (second % 3) * 50ms) ? 1U : 0U;
  }
  return due;
}

TEST(AnswerPaceTest, ReadersAreWokenThreeTimesASecondAtMost) {
  for (const std::size_t readers : {1U, 2U, 8U, 15U, 16U, 20U, 30U}) {
    const unsigned due = due_in(AnswerPace(readers, 20s), 600);
    EXPECT_LE(due * readers, 600U * 3 + 60) << readers;
    EXPECT_GE(due, 60U) << readers << ": every ten seconds at least";
    EXPECT_LE(due, 120U) << readers << ": every five at most";
  }
}

TEST(AnswerPaceTest, TheWatchdogIsFedTwiceInItsTime) {
  for (const auto watchdog : {500ms, 1000ms, 2000ms, 3000ms, 4000ms, 10'000ms, 20'000ms}) {
    for (const std::size_t readers : {1U, 8U, 64U, 256U}) {
      AnswerPace pace(readers, watchdog);
      AnswerPace::Clock::time_point last{1h};
      ASSERT_TRUE(pace.due(last));
      for (unsigned second = 1; second < 60; ++second) {
        const auto now = AnswerPace::Clock::time_point(1h) + std::chrono::seconds(second) + 20ms;
        if (!pace.due(now)) continue;
        EXPECT_LE(now - last, std::max<AnswerPace::Clock::duration>(watchdog / 2, 1s) + 50ms)
            << readers << " readers, " << watchdog.count();
        last = now;
      }
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
