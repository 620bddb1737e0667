// When a series is degraded or failing: rule by rule, at the bounds of each, then with random load.
#include "engine/alerts/series_health.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using ipc::HealthFigures;
using ipc::HealthState;
using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Change = SeriesHealth::Change;

class SeriesHealthTest : public testing::Test {
 protected:
  // What ended in the next second.
  std::optional<Change> second(std::uint64_t succeeded, std::uint64_t failed,
                               std::uint64_t retried = 0) {
    now_ += 1s;
    const auto change =
        health_.add({.succeeded = succeeded, .failed = failed, .retried = retried}, now_, limits_);
    if (change) ++changes_;
    return change;
  }
  void seconds(int count, std::uint64_t succeeded, std::uint64_t failed,
               std::uint64_t retried = 0) {
    for (int i = 0; i < count; ++i) second(succeeded, failed, retried);
  }
  [[nodiscard]] HealthState state() const { return health_.state(); }

  HealthLimits limits_;
  SeriesHealth health_;
  milliseconds now_{0};
  int changes_ = 0;
};

// ---- low rates: what happened in a row ----

TEST_F(SeriesHealthTest, NothingIsKnownAtFirst) {
  seconds(100, 0, 0);
  EXPECT_EQ(state(), HealthState::unknown);
  EXPECT_EQ(changes_, 0);
}

TEST_F(SeriesHealthTest, ASuccessIsOk) {
  const auto change = second(1, 0);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->from, HealthState::unknown);
  EXPECT_EQ(change->to, HealthState::ok);
  EXPECT_EQ(change->lasted, std::nullopt);
}

TEST_F(SeriesHealthTest, ThreeFailuresInARowAreFailing) {
  second(1, 0);
  for (int i = 0; i < 2; ++i) {
    seconds(59, 0, 0);
    second(0, 1);
    EXPECT_EQ(state(), HealthState::ok);
  }
  seconds(59, 0, 0);
  const auto change = second(0, 1);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->to, HealthState::failing);
  EXPECT_EQ(change->window, 0s) << "in a row";
  EXPECT_EQ(change->figures, (HealthFigures{.succeeded = 0, .failed = 3, .retried = 0}));
  EXPECT_EQ(change->before, (HealthFigures{}));
  EXPECT_EQ(change->lasted, 180s);
}

TEST_F(SeriesHealthTest, ASuccessBreaksARunOfFailures) {
  second(1, 0);
  for (int i = 0; i < 50; ++i) {
    seconds(30, 0, 0);
    second(0, 2);
    seconds(30, 0, 0);
    second(1, 0);
  }
  EXPECT_EQ(state(), HealthState::ok);
  second(1, 9);
  EXPECT_EQ(state(), HealthState::ok) << "in which order these ended is not known";
}

TEST_F(SeriesHealthTest, WhatNeverSucceededIsNotFailing) {
  seconds(2, 0, 1);
  EXPECT_EQ(state(), HealthState::unknown);
  second(0, 1);
  EXPECT_EQ(state(), HealthState::never_succeeded);
  seconds(100, 0, 50);
  EXPECT_EQ(state(), HealthState::never_succeeded);
  EXPECT_EQ(changes_, 1);
  seconds(100, 0, 0);
  const auto change = second(1, 0);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->from, HealthState::never_succeeded);
  EXPECT_EQ(change->to, HealthState::ok);
}

TEST_F(SeriesHealthTest, AFewSuccessesEndItStepByStep) {
  second(1, 0);
  seconds(3, 0, 1);
  ASSERT_EQ(state(), HealthState::failing);
  seconds(60, 0, 0);
  second(1, 0);
  EXPECT_EQ(state(), HealthState::degraded);
  second(1, 0);
  EXPECT_EQ(state(), HealthState::degraded);
  second(1, 0);
  EXPECT_EQ(state(), HealthState::ok);
}

TEST_F(SeriesHealthTest, QuietRaisesNoAlarmAndEndsNone) {
  seconds(40, 10, 0);
  seconds(5, 1, 6);  // not yet half of what ended in ten seconds
  const HealthState before = state();
  EXPECT_EQ(before, HealthState::degraded);
  const int changes = changes_;
  seconds(3600, 0, 0);
  EXPECT_EQ(state(), before);
  EXPECT_EQ(changes_, changes);
}

TEST_F(SeriesHealthTest, OldSuccessesThatLeaveTheWindowMakeNothingWorse) {
  seconds(10, 30, 0);
  seconds(10, 1, 4);
  ASSERT_EQ(state(), HealthState::failing);
  SeriesHealth other;
  milliseconds now{0};
  const auto add = [&](HealthFigures ended) { other.add(ended, now += 1s, limits_); };
  for (int i = 0; i < 5; ++i) add({.succeeded = 40, .failed = 0, .retried = 0});
  add({.succeeded = 40, .failed = 20, .retried = 0});
  ASSERT_EQ(other.state(), HealthState::ok);
  for (int i = 0; i < 20; ++i) add({.succeeded = 1, .failed = 0, .retried = 0});
  EXPECT_EQ(other.state(), HealthState::ok);
}

// ---- shares ----

TEST_F(SeriesHealthTest, TheShareOfFailuresMustExceedItsLimitByMoreThanChance) {
  seconds(60, 100, 0);
  seconds(600, 90, 10);
  EXPECT_EQ(state(), HealthState::ok) << "100 of 1,000";
  second(82, 18);
  EXPECT_EQ(state(), HealthState::ok) << "108";
  second(80, 20);
  EXPECT_EQ(state(), HealthState::ok) << "118";
  second(89, 11);
  EXPECT_EQ(state(), HealthState::degraded) << "119, and two standard deviations are 19";
  seconds(600, 47, 53);
  EXPECT_EQ(state(), HealthState::degraded) << "530";
  second(46, 54);
  EXPECT_EQ(state(), HealthState::degraded) << "531";
  second(46, 54);
  EXPECT_EQ(state(), HealthState::failing) << "532, and two standard deviations are 31.6";
  EXPECT_EQ(changes_, 3);
}

TEST_F(SeriesHealthTest, OfFewAttemptsMoreMustFail) {
  second(3, 0);
  second(3, 14);
  EXPECT_EQ(state(), HealthState::degraded) << "14 of 20";
  SeriesHealth other;
  other.add({.succeeded = 2, .failed = 0, .retried = 0}, 1s, limits_);
  other.add({.succeeded = 3, .failed = 15, .retried = 0}, 2s, limits_);
  EXPECT_EQ(other.state(), HealthState::failing) << "15 of 20";
}

TEST_F(SeriesHealthTest, RepeatsAreADegradation) {
  seconds(60, 100, 0, 9);
  EXPECT_EQ(state(), HealthState::ok);
  seconds(10, 100, 0, 12);
  EXPECT_EQ(state(), HealthState::degraded);
  seconds(60, 100, 0, 100);
  EXPECT_EQ(state(), HealthState::degraded) << "and never more: they succeed";
}

TEST_F(SeriesHealthTest, WithTooFewNoShareCounts) {
  limits_.min_attempts = 100;
  second(10, 0);
  for (int i = 0; i < 4; ++i) {
    second(1, 8);  // a success in each second: no three in a row
    seconds(5, 0, 0);
  }
  EXPECT_EQ(state(), HealthState::ok);
  for (int i = 0; i < 8; ++i) second(1, 8);
  EXPECT_EQ(state(), HealthState::failing);
}

TEST_F(SeriesHealthTest, AnOutageOfABusySeriesIsKnownWithinSixSeconds) {
  seconds(300, 1000, 0);
  seconds(6, 0, 1000);
  EXPECT_EQ(state(), HealthState::failing);
}

TEST_F(SeriesHealthTest, TheChangeHasTheFiguresBeforeAndAfter) {
  seconds(300, 99, 1);
  std::optional<Change> change;
  while (!change || change->to != HealthState::failing) change = second(0, 100);
  EXPECT_EQ(change->window, 10s);
  EXPECT_EQ(change->figures.ended(), 1000U);
  EXPECT_EQ(change->from, HealthState::degraded);
  const ipc::FilterHealth told = health_.told({});
  EXPECT_EQ(told.is, HealthState::failing);
  EXPECT_EQ(told.before, HealthState::degraded);
  EXPECT_EQ(told.figures, change->figures);
}

TEST_F(SeriesHealthTest, ItIsBetterOnlyAfterHalfAMinuteOfCalm) {
  seconds(60, 100, 0);
  seconds(10, 0, 100);
  ASSERT_EQ(state(), HealthState::failing);
  int waited = 0;
  while (state() == HealthState::failing && waited < 300) {
    second(100, 0);
    ++waited;
  }
  // Eight seconds until less than a quarter of the last ten fails, then the calm.
  EXPECT_EQ(waited, 8 + 30);
  EXPECT_EQ(state(), HealthState::ok);
}

TEST_F(SeriesHealthTest, BetweenItsLimitAndHalfOfItNothingChanges) {
  seconds(60, 100, 0);
  seconds(20, 88, 12);
  ASSERT_EQ(state(), HealthState::degraded);
  seconds(600, 94, 6);
  EXPECT_EQ(state(), HealthState::degraded);
  seconds(60, 96, 4);
  EXPECT_EQ(state(), HealthState::ok);
  seconds(600, 94, 6);
  EXPECT_EQ(state(), HealthState::ok);
}

TEST_F(SeriesHealthTest, ALateSecondIsOneSecondOnly) {
  seconds(60, 100, 0);
  now_ += 1h;
  seconds(1, 0, 30);
  EXPECT_EQ(state(), HealthState::failing) << "what was before is out of the window";
  EXPECT_EQ(health_.told({}).figures.ended(), 30U);
}

TEST_F(SeriesHealthTest, TheLimitsAreOptions) {
  limits_ = {.failing_percent = 100, .degraded_percent = 100, .min_attempts = 1, .failing_run = 1};
  seconds(60, 1, 1);
  EXPECT_EQ(state(), HealthState::ok);
  seconds(10, 0, 1);
  EXPECT_EQ(state(), HealthState::failing);
}

// ---- constant and random load ----

TEST_F(SeriesHealthTest, AConstantLoadChangesNothingOnceItIsJudged) {
  tcpeek::test::for_each_seed(300, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const HealthFigures each{.succeeded = random() % 30, .failed = random() % 10, .retried = 0};
    const auto every = static_cast<int>(1 + random() % 90);  // seconds
    SeriesHealth health;
    milliseconds now{0};
    int late_changes = 0;
    for (int i = 0; i < 2000; ++i) {
      now += 1s;
      const bool changed =
          health.add(i % every == 0 ? each : HealthFigures{}, now, HealthLimits{}).has_value();
      if (changed && i > 300) ++late_changes;
    }
    EXPECT_EQ(late_changes, 0) << each.succeeded << " " << each.failed << " every " << every;
  });
}

// Each attempt fails with the same probability for hours.
TEST_F(SeriesHealthTest, ARandomLoadHardlyEverFlaps) {
  tcpeek::test::for_each_seed(40, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const double share = std::uniform_real_distribution(0.0, 0.7)(random);
    const int rate = 5 + static_cast<int>(random() % 200);
    std::binomial_distribution<int> failures(rate, share);
    SeriesHealth health;
    milliseconds now{0};
    int changes = 0;
    constexpr int kHours = 2;
    for (int i = 0; i < kHours * 3600; ++i) {
      const auto failed = static_cast<std::uint64_t>(failures(random));
      const HealthFigures ended{
          .succeeded = static_cast<std::uint64_t>(rate) - failed, .failed = failed, .retried = 0};
      if (health.add(ended, now += 1s, HealthLimits{})) ++changes;
    }
    EXPECT_LE(changes, 4) << share << " of " << rate << " a second";
  });
}

// The windows, the runs and the order of states, told by keeping everything.
TEST_F(SeriesHealthTest, RandomLoadsKeepTheRules) {
  tcpeek::test::for_each_seed(60, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const HealthLimits limits;
    SeriesHealth health;
    std::deque<std::pair<std::int64_t, HealthFigures>> all;
    milliseconds now{0};
    std::uint64_t run = 0;
    bool succeeded = false;
    HealthFigures mood{};
    for (int i = 0; i < 3000; ++i) {
      if (random() % 50 == 0) {
        const std::uint64_t scale = random() % 3 == 0 ? 1 : 40;
        mood = {
            .succeeded = random() % (scale + 1), .failed = random() % (scale + 1), .retried = 0};
      }
      now += random() % 100 == 0 ? milliseconds(random() % 100'000) : milliseconds(1000);
      HealthFigures ended{.succeeded = random() % (mood.succeeded + 1),
                          .failed = random() % (mood.failed + 1),
                          .retried = 0};
      ended.retried = random() % (ended.succeeded + 1) / 4;
      const std::int64_t second = now / 1s;
      all.emplace_back(second, ended);
      while (all.front().first <= second - 60) all.pop_front();
      run = ended.succeeded != 0 ? 0 : run + ended.failed;
      succeeded = succeeded || ended.succeeded != 0;
      const auto sum = [&](std::int64_t window) {
        HealthFigures total;
        for (const auto& [when, figures] : all) {
          if (when > second - window) total += figures;
        }
        return total;
      };
      const HealthState before = health.state();
      const auto change = health.add(ended, now, limits);
      const HealthState after = health.state();
      ASSERT_EQ(change.has_value(), before != after);
      if (!succeeded) {
        ASSERT_EQ(after, run >= 3 ? HealthState::never_succeeded : HealthState::unknown);
        continue;
      }
      if (ended.ended() == 0) {
        ASSERT_EQ(before, after);
      }
      HealthFigures judged = sum(10);
      if (judged.ended() < limits.min_attempts) judged = sum(60);
      const bool enough = judged.ended() >= limits.min_attempts;
      const auto exceeds = [&](std::uint64_t part, std::uint64_t percent) {
        const std::uint64_t n = judged.ended();
        if (part == 0 || part * 100 < n * percent) return false;
        const std::uint64_t above = part * 100 - n * percent;
        return above * above >= 4 * n * percent * (100 - percent);
      };
      const bool fails = enough ? exceeds(judged.failed, 50) : run >= limits.failing_run;
      const bool troubled = enough && (exceeds(judged.failed, 10) || exceeds(judged.retried, 10));
      const bool worse_now = ended.failed != 0 || ended.retried != 0;
      if (fails && worse_now) {
        ASSERT_EQ(after, HealthState::failing);
      }
      if (troubled && worse_now) {
        ASSERT_GE(after, HealthState::degraded);
      }
      if (change && after > before && before >= HealthState::ok) {
        ASSERT_TRUE(worse_now && (after == HealthState::failing ? fails : troubled));
        if (enough) {
          ASSERT_EQ(change->figures, judged);
        }
      }
      if (change && after < before && before >= HealthState::degraded) {
        ASSERT_NE(ended.succeeded, 0U) << "no recovery without a success";
      }
    }
  });
}

}  // namespace
}  // namespace tcpeek::engine
