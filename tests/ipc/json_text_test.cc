// JSON strings, compared with literal text and, on all that bytes can be, with what nlohmann makes.
#include "ipc/json_text.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>

#include "tests/support/seeds.h"

namespace tcpeek::ipc {
namespace {

using namespace std::string_literals;

std::string by_nlohmann(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

TEST(JsonQuoted, WhatNeedsEscapingIsEscaped) {
  EXPECT_EQ(json_quoted(""), R"("")");
  EXPECT_EQ(json_quoted("plain / text"), R"("plain / text")");
  EXPECT_EQ(json_quoted("\"\\\b\f\n\r\t"), R"("\"\\\b\f\n\r\t")");
  EXPECT_EQ(json_quoted("\0\x1b\x1f\x7f"s), R"("\u0000\u001b\u001f\u007f")");
}

// A client may print what it receives.
TEST(JsonQuoted, NothingDrivesATerminal) {
  EXPECT_EQ(json_quoted("\u0080\u009b\u009f\u00a0"), "\"\\u0080\\u009b\\u009f\u00a0\"");
  EXPECT_EQ(json_quoted("\u061c\u200e\u200f\u2028\u2029"), R"("\u061c\u200e\u200f\u2028\u2029")");
  EXPECT_EQ(json_quoted("\u202a\u202e\u2066\u2069\u206f"), R"("\u202a\u202e\u2066\u2069\u206f")");
  EXPECT_EQ(json_quoted("\u200d\u2027\u202f\u2065\u2070"), "\"\u200d\u2027\u202f\u2065\u2070\"");
}

TEST(JsonQuoted, Utf8StaysAsItIs) {
  for (const char* text : {"\u00e9", "\u20ac", "\ud7ff", "\ue000", "\uffff", "\U00010000",
                           "\U0010ffff", "a\u00e9b\u20acc"}) {
    EXPECT_EQ(json_quoted(text), std::string("\"") + text + "\"");
  }
}

TEST(JsonQuoted, BytesThatAreNoUtf8AreReplaced) {
  const std::string mark = "\uFFFD";
  const auto marks = [&](const std::string& text) { return '"' + text + '"'; };
  EXPECT_EQ(json_quoted("\x80"), marks(mark));
  EXPECT_EQ(json_quoted("\xC0\xAF"), marks(mark + mark));             // overlong
  EXPECT_EQ(json_quoted("\xED\xA0\x80"), marks(mark + mark + mark));  // a surrogate
  EXPECT_EQ(json_quoted("\xF4\x90\x80\x80"), marks(mark + mark + mark + mark));
  EXPECT_EQ(json_quoted("\xF0\x9F\x98"), marks(mark));  // cut short: one for what there is
  EXPECT_EQ(json_quoted("\xE2\x82\"x"), marks(mark + "\\\"x"));
}

TEST(JsonQuoted, EveryPairOfBytesMeansWhatNlohmannsDoes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      ASSERT_EQ(nlohmann::json::parse(json_quoted(text)), nlohmann::json::parse(by_nlohmann(text)))
          << first << ' ' << second;
    }
  }
}

// Bytes at the edges of the table of well formed sequences, so that most come close to being one.
constexpr std::array<unsigned char, 24> kEdges{0x00, 0x1F, 0x22, 0x5C, 0x7F, 0x80, 0x8F, 0x90,
                                               0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
                                               0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};

TEST(JsonQuoted, RandomBytesMeanWhatNlohmannsDo) {
  test::for_each_seed(20'000, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string text(random() % 12, '\0');
    for (char& byte : text) {
      byte = static_cast<char>(random() % 4 != 0 ? kEdges[random() % kEdges.size()] : random());
    }
    ASSERT_EQ(nlohmann::json::parse(json_quoted(text)), nlohmann::json::parse(by_nlohmann(text)));
  });
}

}  // namespace
}  // namespace tcpeek::ipc
