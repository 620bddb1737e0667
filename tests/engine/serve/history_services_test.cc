// What is kept of the services that matter most.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>

#include "engine/serve/history.h"

namespace tcpeek::engine {
namespace {

using ipc::HistorySample;
using ipc::HistorySeries;
using ipc::Snapshot;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

Snapshot snapshot_at(milliseconds uptime) {
  Snapshot snapshot;
  snapshot.uptime = uptime;
  snapshot.taken = std::chrono::system_clock::time_point(1000h) + uptime;
  return snapshot;
}

class HistoryOfServicesTest : public testing::Test {
 protected:
  void second() {
    uptime_ += 1s;
    const Snapshot snapshot = snapshot_at(uptime_);
    ASSERT_TRUE(history_.on_second(snapshot));
    history_.on_services(top_, snapshot.clock());
  }
  ipc::TopServiceRow& service(std::uint16_t port) {
    ipc::TopServiceRow row;
    row.address = "2001:db8::1";
    row.port = port;
    row.initiator_local = true;
    row.counting_since = std::chrono::system_clock::time_point(1000h) + uptime_ + 500ms;
    row.identity = uptime_.count() + 500;
    top_.services.push_back(row);
    return top_.services.back();
  }
  [[nodiscard]] std::optional<HistorySeries> series_of(std::uint16_t port) const {
    const Snapshot now = snapshot_at(uptime_);
    for (const HistorySeries& series : history_.report(now, std::nullopt).series) {
      const bool same = series.name == "tx [2001:db8::1]:" + std::to_string(port);
      if (series.kind == ipc::HistoryKind::service && same) return series;
    }
    return std::nullopt;
  }

  History history_;
  ipc::Top top_;
  milliseconds uptime_{0};
};

TEST_F(HistoryOfServicesTest, SamplesWhatEndedInEachSecond) {
  service(443).attempts = 3;
  top_.services[0].success = 2;
  top_.services[0].pending = 1;
  second();
  top_.services[0].attempts = 10;
  top_.services[0].failures = {.total = 4, .causes = {.refused = 1, .no_answer = 3}};
  top_.services[0].pending = 4;
  second();
  const auto series = series_of(443);
  ASSERT_TRUE(series.has_value());
  ASSERT_EQ(series->seconds.size(), 2U);
  EXPECT_EQ(series->seconds[0].attempts, 3U) << "it was first seen within this second";
  EXPECT_EQ(series->seconds[0].success, 2U);
  EXPECT_EQ(series->seconds[1].attempts, 7U);
  EXPECT_EQ(series->seconds[1].success, 0U);
  EXPECT_EQ(series->seconds[1].refused.value(), 1U);
  EXPECT_EQ(series->seconds[1].timed_out_no_answer.value(), 3U);
  EXPECT_EQ(series->seconds[1].pending, 4U);
  EXPECT_EQ(series->seconds[1].p50, HistorySample::kNoLatency);
}

TEST_F(HistoryOfServicesTest, WhatCameBeforeItHadAPlaceIsInNoSample) {
  service(443).attempts = 1000;
  top_.services[0].counting_since = std::chrono::system_clock::time_point(1000h) - 1h;
  second();
  top_.services[0].attempts = 1002;
  second();
  const auto series = series_of(443);
  ASSERT_TRUE(series.has_value());
  EXPECT_EQ(series->seconds[0].attempts, 0U);
  EXPECT_EQ(series->seconds[1].attempts, 2U);
}

TEST_F(HistoryOfServicesTest, ThoseThatMatterLongestAgoGiveWay) {
  for (std::uint16_t port = 1; port <= History::kMostServices; ++port) service(port);
  second();
  // The first two are foremost no longer; the first one since earlier.
  service(1000);
  service(1001);
  std::swap(top_.services[0], top_.services[32]);
  second();
  std::swap(top_.services[1], top_.services[33]);
  second();
  EXPECT_FALSE(series_of(1).has_value());
  EXPECT_FALSE(series_of(2).has_value());
  EXPECT_TRUE(series_of(3).has_value());
  EXPECT_TRUE(series_of(1000).has_value());
  EXPECT_TRUE(series_of(1001).has_value());
  EXPECT_EQ(history_.stats().services, History::kMostServices);
}

TEST_F(HistoryOfServicesTest, OneBehindTheForemostKeepsItsPlaceAndIsSampled) {
  service(1);
  second();
  for (std::uint16_t port = 100; port < 100 + History::kMostServices - 1; ++port) service(port);
  std::rotate(top_.services.begin(), top_.services.begin() + 1, top_.services.end());
  top_.services.back().attempts = 5;
  second();
  const auto series = series_of(1);
  ASSERT_TRUE(series.has_value());
  EXPECT_FALSE(series->removed) << "it is the last of the foremost";
  EXPECT_EQ(series->seconds.back().attempts, 5U);
}

TEST_F(HistoryOfServicesTest, StaysWithinItsBytes) {
  for (std::uint16_t port = 1; port <= History::kMostServices; ++port) service(port);
  second();
  EXPECT_LT(history_.memory_bytes(), History::kMostBytes);
}

}  // namespace
}  // namespace tcpeek::engine
