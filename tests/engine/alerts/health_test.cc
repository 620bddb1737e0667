// The health of filters that come and go, from snapshots.
#include "engine/alerts/health.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

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

// ---- services ----

class ServiceHealthTest : public HealthTest {
 protected:
  ipc::TopServiceRow& service(const std::string& address, std::uint16_t port) {
    ipc::TopServiceRow row;
    row.address = address;
    row.port = port;
    row.responder_local = true;
    row.counting_since = snapshot_.taken;
    row.identity = snapshot_.uptime.count();
    top_.services.push_back(row);
    return top_.services.back();
  }
  void refuse(std::size_t i, std::uint64_t count) {
    top_.services[i].failures.causes.refused += count;
    top_.services[i].failures.total += count;
  }
  std::vector<HealthChange> service_second() {
    second();
    auto changes = health_.on_services(top_, snapshot_.clock());
    health_.describe(top_);
    return changes;
  }
  [[nodiscard]] HealthState state(std::size_t i) const {
    return top_.services[i].health.value().is;
  }

  ipc::Top top_;
};

TEST_F(ServiceHealthTest, OneThatWorkedFails) {
  service("192.0.2.1", 443).success = 10;
  service_second();
  EXPECT_EQ(state(0), HealthState::ok);
  refuse(0, 3);
  top_.services[0].failing_since = snapshot_.taken;
  const auto changes = service_second();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].of, HealthChange::Of::service);
  EXPECT_EQ(changes[0].key, "rx 192.0.2.1:443");
  EXPECT_EQ(changes[0].change.to, HealthState::failing);
  EXPECT_EQ(changes[0].times.failing_since, top_.services[0].failing_since)
      << "what its reader knows, not since when it is watched";
  EXPECT_EQ(state(0), HealthState::failing);
}

TEST_F(ServiceHealthTest, OneThatNeverWorkedIsNoChangeToTell) {
  service("192.0.2.1", 443);
  refuse(0, 100);
  EXPECT_TRUE(service_second().empty());
  EXPECT_EQ(state(0), HealthState::never_succeeded);
}

TEST_F(ServiceHealthTest, WhatWasBeforeItWasWatchedIsNotJudged) {
  service("192.0.2.1", 443).success = 1'000'000;
  refuse(0, 1000);
  top_.services[0].counting_since = snapshot_.taken - 1h;
  service_second();
  EXPECT_EQ(state(0), HealthState::unknown);
  refuse(0, 3);
  service_second();
  EXPECT_EQ(state(0), HealthState::failing) << "it succeeded before, so it is not never_succeeded";
}

TEST_F(ServiceHealthTest, AStepOfTheWallClockIsNoNewService) {
  service("192.0.2.1", 443).success = 10;
  service_second();
  refuse(0, 3);
  service_second();
  ASSERT_EQ(state(0), HealthState::failing);
  top_.services[0].counting_since = *top_.services[0].counting_since + 2s;
  EXPECT_TRUE(service_second().empty());
  EXPECT_EQ(state(0), HealthState::failing);
}

// One of several readers has forgotten it, with the counts that it had.
TEST_F(ServiceHealthTest, NothingEndsWhereCountsFall) {
  service("192.0.2.1", 443).success = 1'000'000;
  refuse(0, 300'000);
  top_.services[0].counting_since = snapshot_.taken - 1h;
  service_second();
  top_.services[0].success = 900'000;
  top_.services[0].failures = {};
  refuse(0, 200'000);
  EXPECT_TRUE(service_second().empty());
  EXPECT_EQ(state(0), HealthState::unknown);
}

TEST_F(ServiceHealthTest, CountedAnewIsJudgedAnew) {
  service("192.0.2.1", 443).success = 10;
  service_second();
  refuse(0, 3);
  service_second();
  top_.services.clear();
  service("192.0.2.1", 443);  // lost its row, and got another
  service_second();
  EXPECT_EQ(state(0), HealthState::unknown);
}

TEST_F(ServiceHealthTest, StaysKnownWhileOthersComeFirst) {
  service("192.0.2.1", 443).success = 10;
  service_second();
  refuse(0, 3);
  service_second();
  const ipc::Top before = std::exchange(top_, ipc::Top());
  for (int i = 0; i < 500; ++i) service_second();
  top_ = before;
  service_second();
  EXPECT_EQ(state(0), HealthState::failing);
  top_ = ipc::Top();
  for (int i = 0; i < 601; ++i) service_second();
  top_ = before;
  top_.services[0].health.reset();
  health_.describe(top_);
  EXPECT_EQ(top_.services[0].health, std::nullopt) << "forgotten after ten minutes";
}

TEST_F(ServiceHealthTest, NoMoreThanItsBound) {
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    top_.services.clear();
    service("192.0.2.1", port).success = 1;
    service_second();
  }
  top_.services.clear();
  for (std::uint16_t port = 1; port <= 1000; ++port) service("192.0.2.1", port);
  health_.describe(top_);
  std::size_t known = 0;
  for (const ipc::TopServiceRow& row : top_.services) known += row.health.has_value();
  EXPECT_EQ(known, Health::kMostServices);
  EXPECT_TRUE(top_.services.back().health.has_value()) << "the latest ones are known";
}

TEST_F(ServiceHealthTest, OfAPortTheWorstOfItsAddressesIsTold) {
  service("192.0.2.1", 443).success = 10;
  service("2001:db8::1", 443).success = 10;
  service("192.0.2.1", 80).success = 10;
  service("198.51.100.9", 443);
  top_.services[3].responder_local = false;
  top_.services[3].initiator_local = true;
  top_.services[3].success = 10;
  service_second();
  refuse(1, 3);
  service_second();
  const auto fails = snapshot_.taken;
  service_second();
  ipc::ServiceMetrics metrics;
  const auto listed = [&](const std::string& address, std::uint16_t port) {
    metrics.services.push_back({.address = address, .port = port});
  };
  listed("", 443);
  listed("", 80);
  listed("", 22);
  listed("198.51.100.9", 443);
  metrics.services[2].health.is = HealthState::failing;  // of an earlier round
  health_.describe(metrics);
  EXPECT_EQ(metrics.services[0].health.is, HealthState::failing);
  EXPECT_EQ(metrics.services[0].health.since, fails);
  EXPECT_EQ(metrics.services[1].health.is, HealthState::ok);
  EXPECT_EQ(metrics.services[2].health.is, HealthState::unknown) << "none that is followed";
  EXPECT_EQ(metrics.services[3].health.is, HealthState::ok) << "remote: by its address";
}

TEST_F(ServiceHealthTest, AFilterOfTheSameNameIsAnother) {
  filter("rx 192.0.2.1:443").counts[Tally::success] = 1;
  service("192.0.2.1", 443);
  refuse(0, 10);
  service_second();
  EXPECT_EQ(snapshot_.filters.back().health.value().is, HealthState::ok);
  EXPECT_EQ(state(0), HealthState::never_succeeded);
}

}  // namespace
}  // namespace tcpeek::engine
