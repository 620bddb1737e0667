// Events that are no outcomes, compared with literal text.
#include "ipc/event_lines.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tcpeek::ipc {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

constexpr EventStamp kStamp{"00ff", 7};
constexpr system_clock::time_point kTime{seconds{1'341'247'713}};

TEST(EventLines, Change) {
  ChangeEvent event;
  event.time = kTime;
  event.name = "a \"b\"";
  event.from = HealthState::ok;
  event.to = HealthState::failing;
  event.figures = {.succeeded = 5, .failed = 15, .retried = 1};
  event.window = seconds{10};
  event.lasted = seconds{90};
  event.times.failing_since = kTime;
  EXPECT_EQ(to_json_line(kStamp, event),
            R"({"event":"change","boot":"00ff","seq":7,"time":"2012-07-02T16:48:33.000000Z",)"
            R"("filter":"a \"b\"","from":"ok","to":"failing","ended":20,"failed":15,"retried":1,)"
            R"("window_seconds":10,"lasted_seconds":90.000000,)"
            R"("failing_since":"2012-07-02T16:48:33.000000Z","last_failure":null,)"
            R"("last_success":null})");
  event.lasted.reset();
  const auto parsed = nlohmann::json::parse(to_json_line(kStamp, event));
  EXPECT_TRUE(parsed["lasted_seconds"].is_null());
}

TEST(EventLines, Gap) {
  GapEvent event{.time = kTime, .reason = GapReason::queue_full, .count = 42};
  EXPECT_EQ(to_json_line(kStamp, event),
            R"({"event":"gap","boot":"00ff","seq":7,"time":"2012-07-02T16:48:33.000000Z",)"
            R"("reason":"queue_full","count":42})");
  event.reason = GapReason::unwatched;
  event.count.reset();
  EXPECT_NE(to_json_line(kStamp, event).find(R"("reason":"unwatched","count":null})"),
            std::string::npos);
}

TEST(EventLines, WhatIsNoEvent) {
  EXPECT_EQ(gap_line(3, 18'446'744'073'709'551'615U),
            R"({"gap":{"from":3,"to":18446744073709551615}})");
  EXPECT_EQ(at_line(kStamp), R"({"boot":"00ff","at":7})");
}

TEST(EventKind, EveryNameHasItsKinds) {
  EventKinds causes;
  for (const NamedKinds& named : kNamedKinds) {
    EXPECT_EQ(kinds_named(named.name), named.kinds);
    EXPECT_FALSE(named.kinds.has(EventKind::gap)) << "everybody is told";
    if (named.name != "change") causes |= named.kinds;
  }
  EXPECT_FALSE(causes.has(EventKind::change));
  causes |= EventKinds(EventKind::change, EventKind::gap, EventKind::undecided);
  EXPECT_EQ(causes, EventKinds::all());
  EXPECT_FALSE(kinds_named(""));
  EXPECT_FALSE(kinds_named("Success"));
}

}  // namespace
}  // namespace tcpeek::ipc
