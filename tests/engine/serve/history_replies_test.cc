// How many texts of the history there are at once.
#include "engine/serve/history_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

using ::testing::StartsWith;
using namespace std::chrono_literals;

class HistoryRepliesTest : public testing::Test {
 protected:
  std::optional<ipc::ReplyText> ask(std::optional<std::chrono::seconds> back) {
    return replies_.reply({.back = back, .error = {}}, now_);
  }

  History history_;
  HistoryReplies replies_{history_};
  ipc::Snapshot now_;
};

TEST_F(HistoryRepliesTest, OneTextInARoundForAllWhoAskForTheSame) {
  const auto first = ask(60s);
  ASSERT_TRUE(first);
  EXPECT_EQ(&*ask(60s).value(), &**first);
  EXPECT_FALSE(ask(61s));
  EXPECT_FALSE(ask(std::nullopt));
  replies_.end_round();
  EXPECT_TRUE(ask(std::nullopt));
}

TEST_F(HistoryRepliesTest, NoMoreTextsThanFourAreOnTheirWay) {
  std::vector<ipc::ReplyText> on_their_way;
  for (std::size_t i = 0; i < HistoryReplies::kMostTexts; ++i) {
    replies_.end_round();
    on_their_way.push_back(ask(60s).value());
  }
  replies_.end_round();
  EXPECT_FALSE(ask(60s));
  on_their_way.pop_back();
  EXPECT_TRUE(ask(60s));
}

TEST_F(HistoryRepliesTest, ATextLivesNoLongerThanItsClients) {
  const auto weak = ask(60s).value().weak();
  EXPECT_FALSE(weak.expired());
  replies_.end_round();
  EXPECT_TRUE(weak.expired());
}

TEST_F(HistoryRepliesTest, MistakesAreAnsweredAtOnce) {
  ASSERT_TRUE(ask(60s));
  const auto text = replies_.reply({.back = std::nullopt, .error = "no"}, now_);
  ASSERT_TRUE(text);
  EXPECT_THAT(**text, StartsWith(R"({"error":"no"})"));
}

// 64 filters, each with more than is possible in every interval of a day.
TEST_F(HistoryRepliesTest, WhatIsMoreThanAReplyMayHoldIsRefusedWithAdvice) {
  for (int i = 0; i < 64; ++i) {
    now_.filters.push_back(
        {.name = std::string(1, 'a') + std::to_string(i), .expression = "x", .counts = {}});
  }
  const auto grow = [](ipc::Counts& counts) {
    for (std::uint64_t& value : counts.values) value += std::uint64_t{1} << 40;
    counts.latency.add(500s);
  };
  for (std::size_t minute = 0; minute < History::kMinutes; ++minute) {
    now_.uptime += 60s;
    grow(now_.totals);
    for (ipc::FilterStats& filter : now_.filters) grow(filter.counts);
    history_.on_second(now_);
  }
  EXPECT_EQ(*ask(std::nullopt).value(),
            R"({"error":"HISTORY: that is more than a reply may hold: ask for fewer SECONDS"})");
  replies_.end_round();
  EXPECT_THAT(*ask(3600s).value(), StartsWith(R"({"schema":1,)"));
}

}  // namespace
}  // namespace tcpeek::engine
