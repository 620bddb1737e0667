// Changes in words, and how many of them are told.
#include "engine/alerts/health_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <syslog.h>

namespace tcpeek::engine {
namespace {

using ipc::HealthState;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

HealthChange change(HealthState from, HealthState to, const std::string& key = "web") {
  HealthChange result;
  result.key = key;
  result.change = {.from = from,
                   .to = to,
                   .before = {.succeeded = 7998, .failed = 2, .retried = 0},
                   .figures = {.succeeded = 3, .failed = 12, .retried = 2},
                   .window = 10s,
                   .lasted = 3h};
  return result;
}

TEST(HealthMessage, SaysWhatChangedAndTheFiguresBeforeAndAfter) {
  const HealthMessage message = message_of(change(HealthState::ok, HealthState::failing));
  EXPECT_EQ(message.text,
            "web is failing: 12 of 15 attempts failed, 2 succeeded only after a repeat in 10 s; "
            "before that ok for 3 h (2 of 8000 attempts failed)");
  EXPECT_EQ(message.severity, LOG_WARNING);
}

TEST(HealthMessage, FailuresInARowAndTheLastSuccess) {
  HealthChange one = change(HealthState::ok, HealthState::failing);
  one.change.figures = {.succeeded = 0, .failed = 3, .retried = 0};
  one.change.window = 0s;
  one.change.before = {.succeeded = 1, .failed = 0, .retried = 0};
  one.change.lasted = 61s;
  one.times.last_success = std::chrono::system_clock::time_point(0s);
  EXPECT_EQ(message_of(one).text,
            "web is failing: 3 failures in a row, last success 1970-01-01T00:00:00.000000Z; "
            "before that ok for 61 s (0 of 1 attempt failed)");
}

TEST(HealthMessage, WhatTellsOfNoChangeIsInformation) {
  const auto severity = [](HealthState from, HealthState to) {
    return message_of(change(from, to)).severity;
  };
  EXPECT_EQ(severity(HealthState::unknown, HealthState::ok), LOG_INFO);
  EXPECT_EQ(severity(HealthState::unknown, HealthState::never_succeeded), LOG_INFO);
  EXPECT_EQ(severity(HealthState::never_succeeded, HealthState::ok), LOG_INFO);
  EXPECT_EQ(severity(HealthState::ok, HealthState::degraded), LOG_WARNING);
  EXPECT_EQ(severity(HealthState::failing, HealthState::degraded), LOG_NOTICE);
  EXPECT_EQ(severity(HealthState::degraded, HealthState::ok), LOG_NOTICE);
}

TEST(HealthMessage, NamesAreEscaped) {
  EXPECT_THAT(message_of(change(HealthState::ok, HealthState::failing, "a\nb")).text,
              HasSubstr("a\\x0ab is failing"));
}

TEST(HealthMessages, WhatFlapsIsToldOnceAMinute) {
  HealthMessages messages;
  std::vector<std::string> told;
  const auto flap = [&](int from_second, int to_second) {
    told.clear();
    for (int second = from_second; second < to_second; ++second) {
      const bool bad = second % 2 == 0;
      for (const HealthMessage& message :
           messages.of({bad ? change(HealthState::ok, HealthState::failing)
                            : change(HealthState::failing, HealthState::ok)},
                       std::chrono::seconds(second))) {
        told.push_back(message.text);
      }
    }
  };
  flap(100, 160);
  ASSERT_EQ(told.size(), HealthMessages::kMostOfOne + 1);
  EXPECT_EQ(told.back(), "web is flapping; suppressing messages for one minute");
  EXPECT_THAT(told.front(), HasSubstr("web is failing"));
  flap(160, 162);
  EXPECT_THAT(told, testing::Each(Not(HasSubstr("flapping"))));
  EXPECT_EQ(told.size(), 2U);
}

TEST(HealthMessages, ManyAtOnceDoNotFillTheLog) {
  HealthMessages messages;
  std::vector<HealthChange> changes;
  for (int i = 0; i < 1000; ++i) {
    changes.push_back(change(HealthState::ok, HealthState::failing, std::to_string(i)));
  }
  const auto told = messages.of(changes, 100s);
  ASSERT_EQ(told.size(), HealthMessages::kMostOfAll + 1);
  EXPECT_THAT(told.back().text, HasSubstr("suppressing messages for one minute"));
  EXPECT_TRUE(messages.of(changes, 159s).empty());
  EXPECT_FALSE(messages.of(changes, 161s).empty());
}

TEST(HealthMessages, InformationUsesUpNothing) {
  HealthMessages messages;
  std::vector<HealthChange> changes;
  for (int i = 0; i < 1000; ++i) {
    changes.push_back(change(HealthState::unknown, HealthState::ok, std::to_string(i)));
  }
  EXPECT_EQ(messages.of(changes, 1s).size(), 1000U);
  EXPECT_THAT(messages.of({change(HealthState::ok, HealthState::failing)}, 2s).front().text,
              HasSubstr("is failing"));
}

}  // namespace
}  // namespace tcpeek::engine
