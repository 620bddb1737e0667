// What an acknowledgement says, and which ones do not count.
#include <gtest/gtest.h>

#include "engine/forward/broker.h"

namespace tcpeek::forward {
namespace {

TEST(AckTest, WhatItSays) {
  const Ack stored = parse_ack(3, R"({"stream":"TCPEEK","seq":57})", "TCPEEK");
  EXPECT_EQ(stored.place, 3U);
  EXPECT_EQ(stored.stored_at, 57U);
  EXPECT_EQ(stored.refusal, "");
  EXPECT_FALSE(stored.duplicate);
  EXPECT_TRUE(parse_ack(3, R"({"stream":"T","seq":57,"duplicate":true})", "T").duplicate);
  EXPECT_EQ(
      parse_ack(3, R"({"error":{"code":503,"description":"no space"},"stream":"T","seq":0})", "T")
          .refusal,
      "no space");
  for (const char* const bad :
       {"", "[]", "{}", R"({"seq":1})", R"({"stream":"T"})", R"({"stream":1,"seq":1})",
        R"({"stream":"T","seq":-1})", R"({"stream":"T","seq":"1"})", R"({"error":1})"}) {
    EXPECT_FALSE(parse_ack(3, bad, "T").refusal.empty()) << bad;
  }
}

TEST(AckTest, AnotherStreamsIsARefusal) {
  EXPECT_EQ(
      parse_ack(3, R"({"stream":"TCPEEK","seq":57})", "EVENTS").refusal,
      "the subjects of --subject belong to the stream 'TCPEEK', not to 'EVENTS': give --stream "
      "TCPEEK");
}

}  // namespace
}  // namespace tcpeek::forward
