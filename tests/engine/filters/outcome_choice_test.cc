// --only: which outcomes are shown.
#include "engine/filters/outcome_choice.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace tcpeek::engine {
namespace {

using flowtable::Cause;

// The causes that a list chooses, by their words; success as "success".
std::string chosen(std::string_view list) {
  const auto choice = OutcomeChoice::parse(list);
  if (!choice) return "refused";
  std::string causes;
  for (std::size_t i = 0; i < flowtable::kCauses; ++i) {
    const auto cause = static_cast<Cause>(i);
    if (!choice->has(cause)) continue;
    const std::string_view own = flowtable::word(cause);
    causes.append(causes.empty() ? "" : " ");
    causes.append(own.empty() ? flowtable::word(flowtable::result_of(cause)) : own);
  }
  return causes;
}

TEST(OutcomeChoiceTest, AllByDefault) {
  for (std::size_t i = 0; i < flowtable::kCauses; ++i) {
    EXPECT_TRUE(OutcomeChoice().has(static_cast<Cause>(i)));
  }
}

TEST(OutcomeChoiceTest, ResultsAndCausesByTheirWords) {
  EXPECT_EQ(chosen("success"), "success");
  EXPECT_EQ(chosen("failure"),
            "refused reset aborted half_open probe no_answer no_ack superseded unreachable");
  EXPECT_EQ(chosen("timeout"), "no_answer no_ack superseded");
  EXPECT_EQ(chosen("reject"), "refused reset aborted half_open probe");
  EXPECT_EQ(chosen("unreach"), "unreachable");
  EXPECT_EQ(chosen("pending"), "pending");
  EXPECT_EQ(chosen("no_answer,refused"), "refused no_answer");
  EXPECT_EQ(chosen("success,timeout,no_ack"), "success no_answer no_ack superseded");
}

TEST(OutcomeChoiceTest, OtherWordsAreRefused) {
  for (const char* list : {"", ",", "success,", ",success", "Success", "success failure", "none",
                           "evicted", "x", "timeout,,refused"}) {
    EXPECT_EQ(chosen(list), "refused") << list;
  }
}

}  // namespace
}  // namespace tcpeek::engine
