// Marks by name: independent of each other, bounded, and displaced in the order of their use.
#include "engine/serve/delta_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tcpeek::engine {
namespace {

using ipc::Tally;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ipc::Snapshot snapshot(std::uint64_t attempts, int uptime_s) {
  ipc::Snapshot s;
  s.started = std::chrono::system_clock::time_point{std::chrono::seconds{1'341'247'713}};
  s.uptime = std::chrono::seconds{uptime_s};
  s.taken = s.started + s.uptime;
  s.totals[Tally::attempts] = attempts;
  return s;
}

json ask(DeltaReplies& replies, const std::string& name, const ipc::Snapshot& now) {
  const auto text = replies.reply({.name = name, .error = {}}, now);
  replies.end_round();
  return text ? json::parse(**text) : json();
}

TEST(DeltaRequest, NamesAndMistakes) {
  EXPECT_FALSE(parse_delta_request("DELTAX a"));
  EXPECT_FALSE(parse_delta_request("delta a"));
  EXPECT_EQ(parse_delta_request("DELTA  grafana-1.web_2")->name, "grafana-1.web_2");
  EXPECT_EQ(parse_delta_request("DELTA grafana")->error, "");
  EXPECT_EQ(parse_delta_request("DELTA " + std::string(64, 'x'))->error, "");
  EXPECT_EQ(
      parse_delta_request("DELTA")->error,
      "DELTA: the name is missing; give a name of your own, 1 to 64 letters, digits, '_', '-' "
      "or '.': DELTA NAME");
  for (const char* wrong : {"DELTA a b", "DELTA a/b", "DELTA \xc3\xa9", "DELTA a=b", "DELTA *"}) {
    EXPECT_THAT(parse_delta_request(wrong)->error,
                HasSubstr("is not a name; give a name of your own"))
        << wrong;
  }
  const std::string longest = parse_delta_request("DELTA " + std::string(4000, 'x'))->error;
  EXPECT_LT(longest.size(), 250U);
}

TEST(DeltaReplies, EachNameHasItsOwnMark) {
  DeltaReplies replies;
  const json first = ask(replies, "a", snapshot(10, 5));
  EXPECT_EQ(first["totals"]["attempts"], 10);
  EXPECT_EQ(first["delta"]["first"], true);
  EXPECT_EQ(first["delta"]["since"], "2012-07-02T16:48:33.000000Z");
  EXPECT_EQ(first["delta"]["span_seconds"], 5.0);
  const json second = ask(replies, "a", snapshot(25, 8));
  EXPECT_EQ(second["totals"]["attempts"], 15);
  EXPECT_EQ(second["delta"]["first"], false);
  EXPECT_EQ(second["delta"]["since"], "2012-07-02T16:48:38.000000Z");
  EXPECT_EQ(second["delta"]["span_seconds"], 3.0);
  EXPECT_EQ(ask(replies, "b", snapshot(30, 9))["totals"]["attempts"], 30);
  EXPECT_EQ(ask(replies, "a", snapshot(31, 9))["totals"]["attempts"], 6);
  EXPECT_EQ(ask(replies, "b", snapshot(31, 9))["totals"]["attempts"], 1);
  EXPECT_EQ(replies.names(), 2U);
}

TEST(DeltaReplies, WhoAskedLeastRecentlyIsForgottenAndCounted) {
  DeltaReplies replies;
  for (std::size_t i = 0; i < DeltaLimits{}.names; ++i) {
    ask(replies, "n" + std::to_string(i), snapshot(10, 1));
  }
  ask(replies, "n0", snapshot(20, 2));
  EXPECT_EQ(replies.displaced(), 0U);
  ask(replies, "one-more", snapshot(20, 2));
  EXPECT_EQ(replies.displaced(), 1U);
  EXPECT_EQ(replies.names(), DeltaLimits{}.names);
  EXPECT_EQ(ask(replies, "n0", snapshot(21, 2))["totals"]["attempts"], 1) << "it asked of late";
  EXPECT_EQ(ask(replies, "n1", snapshot(21, 2))["delta"]["first"], true) << "it is forgotten";
}

TEST(DeltaReplies, WhatAllTakeTogetherIsBounded) {
  ipc::Snapshot large = snapshot(1, 1);
  for (int i = 0; i < 20; ++i) large.filters.emplace_back().name = std::string(100, 'x');
  constexpr std::size_t kMostBytes = 20'000;
  DeltaReplies replies({.names = 64, .bytes = kMostBytes, .texts = 4});
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(replies.reply({.name = "n" + std::to_string(i), .error = {}}, large));
    replies.end_round();
    ASSERT_LE(replies.bytes(), kMostBytes);
  }
  EXPECT_GT(replies.displaced(), 0U);
  EXPECT_GT(replies.names(), 1U);
}

TEST(DeltaReplies, OneIsMadeInARoundAndFewAreOnTheirWay) {
  DeltaReplies replies;
  const ipc::Snapshot now = snapshot(1, 1);
  std::vector<ipc::ReplyText> sent;
  for (std::size_t i = 0; i < DeltaLimits{}.texts; ++i) {
    const auto text = replies.reply({.name = "a", .error = {}}, now);
    ASSERT_TRUE(text);
    sent.push_back(*text);
    EXPECT_FALSE(replies.reply({.name = "b", .error = {}}, now)) << "in the same round";
    replies.end_round();
  }
  EXPECT_FALSE(replies.reply({.name = "b", .error = {}}, now)) << "too many are on their way";
  EXPECT_THAT(*replies.reply({.name = "", .error = "wrong"}, now).value(),
              StartsWith(R"({"error":"wrong)"));
  sent.pop_back();
  EXPECT_TRUE(replies.reply({.name = "b", .error = {}}, now));
}

}  // namespace
}  // namespace tcpeek::engine
