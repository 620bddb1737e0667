// The health of filters that come and go, from snapshots.
#include "engine/alerts/health.h"

#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

using ipc::HealthState;
using ipc::Snapshot;
using ipc::Tally;
using namespace std::chrono_literals;

class HealthTest : public testing::Test {
 protected:
  HealthTest() {
    snapshot_.taken = std::chrono::system_clock::time_point(1000h);
    filter("web");
    filter("db");
  }

  ipc::FilterStats& filter(const std::string& name, const std::string& expression = "x") {
    snapshot_.filters.push_back({.name = name, .expression = expression, .counts = {}});
    return snapshot_.filters.back();
  }
  std::vector<HealthChange> second() {
    snapshot_.uptime += 1s;
    snapshot_.taken += 1s;
    auto changes = health_.on_second(snapshot_);
    health_.describe(snapshot_);
    return changes;
  }
  void fail_until_failing() {
    snapshot_.filters[0].counts[Tally::success] += 1;
    second();
    snapshot_.filters[0].counts[Tally::refused] += 3;
    second();
    ASSERT_EQ(told(0).is, HealthState::failing);
  }
  [[nodiscard]] const ipc::FilterHealth& told(std::size_t i) const {
    return snapshot_.filters[i].health.value();
  }

  Health health_{HealthLimits{}};
  Snapshot snapshot_;
};

TEST_F(HealthTest, EachFilterByItself) {
  fail_until_failing();
  EXPECT_EQ(told(0).since, snapshot_.taken);
  EXPECT_EQ(told(0).before, HealthState::ok);
  EXPECT_EQ(told(0).times.failing_since, snapshot_.taken);
  EXPECT_EQ(told(0).times.last_success, snapshot_.taken - 1s);
  EXPECT_EQ(told(1).is, HealthState::unknown);
  EXPECT_EQ(told(1).since, std::nullopt);
}

TEST_F(HealthTest, ChangesSayWhichFilter) {
  snapshot_.filters[1].counts[Tally::success] = 1;
  const auto changes = second();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].key, "db");
  EXPECT_EQ(changes[0].change.to, HealthState::ok);
}

TEST_F(HealthTest, CountsFromBeforeTheFirstSnapshotCount) {
  snapshot_.filters[0].counts[Tally::success] = 100;
  snapshot_.filters[0].counts[Tally::timed_out_no_answer] = 200;
  second();
  EXPECT_EQ(told(0).is, HealthState::failing);
}

TEST_F(HealthTest, AFilterThatWasRemovedHasNoHealthAndBeginsAnew) {
  fail_until_failing();
  snapshot_.filters[0].removed = true;
  snapshot_.filters[0].health.reset();
  second();
  EXPECT_EQ(snapshot_.filters[0].health, std::nullopt);
  snapshot_.filters[0] = {.name = "web", .expression = "x", .counts = {}};
  second();
  EXPECT_EQ(told(0).is, HealthState::unknown);
}

TEST_F(HealthTest, AFilterExchangedUnderItsNameBeginsAnew) {
  fail_until_failing();
  snapshot_.filters[0].expression = "y";
  snapshot_.filters[0].counts[Tally::refused] += 2;
  health_.describe(snapshot_);
  EXPECT_EQ(told(0).is, HealthState::unknown) << "before it was fed";
  snapshot_.filters[0].counts = {};
  second();
  EXPECT_EQ(told(0).is, HealthState::unknown);
}

TEST_F(HealthTest, AFilterThatWentAndCameBackBeginsAnew) {
  fail_until_failing();
  snapshot_.filters[0].since = 3;
  second();
  EXPECT_NE(told(0).is, HealthState::failing) << "what failed was another one";
}

TEST_F(HealthTest, OtherLimitsCountFromTheNextSecondOn) {
  snapshot_.filters[0].counts[Tally::success] = 100;
  snapshot_.filters[0].counts[Tally::refused] = 30;
  second();
  EXPECT_EQ(told(0).is, HealthState::degraded);
  HealthLimits limits;
  limits.failing_percent = 15;
  health_.go_by(limits);
  snapshot_.filters[0].counts[Tally::refused] += 1;
  second();
  EXPECT_EQ(told(0).is, HealthState::failing);
}

TEST_F(HealthTest, AttemptsThatTheirInitiatorAbortedSayNothing) {
  snapshot_.filters[0].counts[Tally::success] = 100;
  second();
  snapshot_.filters[0].counts[Tally::aborted] = 1000;
  second();
  EXPECT_EQ(told(0).is, HealthState::ok);
  EXPECT_EQ(told(0).times.last_failure, std::nullopt);
}

}  // namespace
}  // namespace tcpeek::engine
