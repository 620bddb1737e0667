// Counts in 16 bits, samples of intervals, and since when something fails.
#include "ipc/history.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "ipc/outcome_times.h"
#include "ipc/snapshot_counters.h"
#include "tests/support/seeds.h"

namespace tcpeek::ipc {
namespace {

using namespace std::chrono_literals;

TEST(CompactCount, IsExactUpTo4095) {
  for (std::uint64_t value = 0; value <= 4095; ++value) {
    ASSERT_EQ(CompactCount(value).value(), value);
  }
}

TEST(CompactCount, IsWithinAFourThousandthBeyond) {
  tcpeek::test::for_each_seed(20, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < 1000; ++i) {
      const std::uint64_t value = random() >> (22 + random() % 42);
      const std::uint64_t told = CompactCount(value).value();
      const std::uint64_t off = told > value ? told - value : value - told;
      ASSERT_LE(off, value / 4096) << value << " told as " << told;
    }
  });
}

TEST(CompactCount, NeverFallsAndStopsAtItsLargest) {
  std::uint64_t before = 0;
  for (std::uint64_t value = 1; value < std::uint64_t{1} << 50; value = value * 17 / 16 + 1) {
    const std::uint64_t told = CompactCount(value).value();
    ASSERT_GE(told, before) << value;
    before = told;
  }
  EXPECT_EQ(before, CompactCount::kLargest);
  EXPECT_EQ(CompactCount(CompactCount::kLargest - 1).value(), CompactCount::kLargest);
}

TEST(HistorySample, HoldsWhatAnIntervalCounts) {
  Counts grown;
  for (std::size_t i = 0; i < kTallies; ++i) grown.values[i] = 100 + i;
  for (int i = 0; i < 98; ++i) grown.latency.add(2ms);
  for (int i = 0; i < 2; ++i) grown.latency.add(3s);
  const HistorySample sample = sample_of(grown);
  EXPECT_TRUE(sample.kept);
  EXPECT_EQ(sample.attempts, grown[Tally::attempts]);
  EXPECT_EQ(sample.success, grown[Tally::success]);
  EXPECT_EQ(sample.pending, grown[Tally::pending]);
  EXPECT_EQ(sample.refused.value(), grown.refused());
  EXPECT_EQ(sample.aborted.value(), grown.aborted());
  EXPECT_EQ(sample.timed_out_no_answer.value(), grown[Tally::timed_out_no_answer]);
  EXPECT_EQ(sample.timed_out_no_ack.value(), grown[Tally::timed_out_no_ack]);
  EXPECT_EQ(sample.timed_out_superseded.value(), grown[Tally::superseded]);
  EXPECT_EQ(sample.retrying.value(), grown[Tally::retrying]);
  EXPECT_EQ(sample.unreachable.value(), grown[Tally::unreachable]);
  EXPECT_EQ(sample.evicted.value(), grown[Tally::evicted]);
  EXPECT_EQ(sample.dup_syn_segments.value(),
            grown[Tally::success_dup_syn_segments] + grown[Tally::failure_dup_syn_segments]);
  EXPECT_EQ(sample.dup_synack_segments.value(),
            grown[Tally::success_dup_synack_segments] + grown[Tally::failure_dup_synack_segments]);
  EXPECT_EQ(sample.p50, LatencyHistogram::bucket_of(2000));
  EXPECT_EQ(sample.p99, LatencyHistogram::bucket_of(3'000'000));
}

TEST(HistorySample, StopsAtItsLargest) {
  Counts grown;
  grown.values.fill(std::uint64_t{1} << 60);
  const HistorySample sample = sample_of(grown);
  EXPECT_EQ(sample.attempts, std::numeric_limits<std::uint32_t>::max());
  EXPECT_EQ(sample.refused.value(), CompactCount::kLargest);
  EXPECT_EQ(sample.p50, HistorySample::kNoLatency);
}

TEST(Growth, IsTheDifferenceButOfGaugesWhatIsNow) {
  Counts before;
  before.values.fill(10);
  before.latency.add(1ms);
  Counts now = before;
  for (std::size_t i = 0; i < kTallies; ++i) now.values[i] += i;
  now[Tally::pending] = 3;
  now[Tally::retrying] = 2;
  now[Tally::retrying_syns] = 5;
  now[Tally::retrying_synacks] = 4;
  now.latency.add(9ms);
  const HistoryCounts grown = growth(now, before);
  for (std::size_t i = 0; i < kTallies; ++i) {
    const auto tally = static_cast<Tally>(i);
    if (is_gauge(tally)) continue;
    EXPECT_EQ(grown.values[i], i);
  }
  EXPECT_EQ(grown[Tally::pending], 3U);
  EXPECT_EQ(grown[Tally::retrying], 2U);
  EXPECT_EQ(grown[Tally::retrying_syns], 5U);
  EXPECT_EQ(grown[Tally::retrying_synacks], 4U);
  EXPECT_EQ(grown.latency.count(), 1U);
}

TEST(Growth, IsNothingWhereACountFalls) {
  Counts before;
  before[Tally::attempts] = 100;
  before[Tally::success] = 100;
  before[Tally::refused] = 7;
  before.latency.add(1ms);
  Counts now;
  now[Tally::attempts] = 2;
  now[Tally::success] = 1;
  now[Tally::refused] = 9;
  now[Tally::pending] = 4;
  const HistoryCounts grown = growth(now, before);
  EXPECT_EQ(grown[Tally::attempts], 0U);
  EXPECT_EQ(grown[Tally::success], 0U);
  EXPECT_EQ(grown[Tally::refused], 2U);
  EXPECT_EQ(grown[Tally::pending], 4U) << "a gauge";
  EXPECT_EQ(grown.latency.count(), 0U);
}

// ---- since when ----

class OutcomeTimesTest : public testing::Test {
 protected:
  void ended(std::uint64_t succeeded, std::uint64_t failed, std::chrono::milliseconds at) {
    times_.add({.succeeded = succeeded, .failed = failed, .retried = 0}, at);
    now_.uptime = at;
    now_.taken = start_ + at;
  }
  [[nodiscard]] SinceWhen told() const { return times_.told(now_.clock()); }

  const std::chrono::system_clock::time_point start_{1000h};
  OutcomeTimes times_;
  Snapshot now_;
};

TEST_F(OutcomeTimesTest, ARunOfFailuresBeginsAfterTheLastSuccess) {
  ended(1, 0, 1s);
  EXPECT_EQ(told().failing_since, std::nullopt);
  ended(0, 2, 2s);
  ended(0, 0, 3s);
  ended(0, 1, 4s);
  EXPECT_EQ(told().failing_since, start_ + 2s);
  EXPECT_EQ(told().last_failure, start_ + 4s);
  EXPECT_EQ(told().last_success, start_ + 1s);
  ended(1, 5, 5s);
  EXPECT_EQ(told().failing_since, std::nullopt) << "in which order is not known";
  ended(0, 1, 6s);
  EXPECT_EQ(told().failing_since, start_ + 6s);
}

TEST_F(OutcomeTimesTest, WhatNeverSucceededDidNotBeginToFail) {
  EXPECT_EQ(told().last_failure, std::nullopt);
  ended(0, 7, 1s);
  EXPECT_EQ(told().failing_since, std::nullopt);
  EXPECT_EQ(told().last_success, std::nullopt);
  EXPECT_EQ(told().last_failure, start_ + 1s);
}

TEST_F(OutcomeTimesTest, AStepOfTheWallClockMovesAllAlike) {
  ended(1, 0, 1s);
  ended(0, 1, 5s);
  now_.taken += 1h;
  EXPECT_EQ(told().last_success, start_ + 1h + 1s);
  EXPECT_EQ(told().failing_since, start_ + 1h + 5s);
}

TEST(HealthFigures, LeaveOutWhatTheInitiatorAborted) {
  Counts counts;
  counts[Tally::success] = 10;
  counts[Tally::refused] = 1;
  counts[Tally::aborted] = 100;
  counts[Tally::half_open] = 100;
  counts[Tally::probe] = 100;
  counts[Tally::timed_out_no_answer] = 2;
  counts[Tally::timed_out_no_ack] = 3;
  counts[Tally::unreachable] = 4;
  counts[Tally::evicted] = 1000;
  counts[Tally::success_dup_syn] = 5;
  counts[Tally::success_dup_synack] = 1;
  EXPECT_EQ(counts.health(), (HealthFigures{.succeeded = 10, .failed = 10, .retried = 6}));
  counts[Tally::success_dup_synack] = 9;
  EXPECT_EQ(counts.health().retried, 10U) << "both of an attempt may have been repeated";
}

}  // namespace
}  // namespace tcpeek::ipc
