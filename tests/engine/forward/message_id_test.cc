// What ids say, there and back; which tokens stand for hosts.
#include "engine/forward/message_id.h"

#include <gtest/gtest.h>

namespace tcpeek::forward {
namespace {

const std::string kSomeBoot = "0123456789abcdef";

MessageId event(std::uint64_t seq) {
  return {.boot = kSomeBoot, .from = seq, .to = seq, .service = {}};
}

TEST(MessageIdTest, ThereAndBack) {
  const MessageId gap{.boot = kSomeBoot, .from = 3, .to = 9, .service = {}, .range = true};
  MessageId aggregate = gap;
  aggregate.parts = 2;
  aggregate.service = "tx.[2001:db8::1]:443";
  EXPECT_EQ(to_text("web-1", event(57)), "web-1-0123456789abcdef-57");
  EXPECT_EQ(to_text("web-1", gap), "web-1-0123456789abcdef-3..9");
  EXPECT_EQ(to_text("web-1", aggregate), "web-1-0123456789abcdef-3..9.2.tx.[2001:db8::1]:443");
  for (const MessageId& id : {event(57), event(18446744073709551615U), gap, aggregate}) {
    EXPECT_EQ(parse_message_id("web-1", to_text("web-1", id)), id);
  }
}

TEST(MessageIdTest, OfOthersAreNone) {
  EXPECT_FALSE(parse_message_id("web", "web-1-0123456789abcdef-57"));
  EXPECT_FALSE(parse_message_id("web-1", "web-10-0123456789abcdef-57"));
  for (const char* const bad :
       {"", "web1", "web1-", "web1-0123456789abcdef", "web1-0123456789abcdef-",
        "web1-0123456789abcdeg-1", "web1-0123456789abcdef--1", "web1-0123456789abcdef-9..3",
        "web1-0123456789abcdef-3..9.0.a:1", "web1-0123456789abcdef-3..9.2.",
        "web1-0123456789abcdef-3..9.2", "web1-0123456789abcdef-3.9",
        "web1-0123456789abcdef-99999999999999999999"}) {
    EXPECT_FALSE(parse_message_id("web1", bad)) << bad;
  }
}

TEST(SubjectTokenTest, HasNothingThatSubjectsUse) {
  EXPECT_EQ(subject_token("web1"), "web1");
  EXPECT_EQ(subject_token("web1.example.org"), "web1_example_org");
  EXPECT_EQ(subject_token("a b*c>d\te\x7f\xc3\xa9"), "a_b_c_d_e___");
  EXPECT_EQ(subject_token(""), "_");
  EXPECT_EQ(subject_token(std::string(1000, 'x')).size(), 128U);
}

}  // namespace
}  // namespace tcpeek::forward
