// HISTORY [SECONDS]: what is taken, what is refused, and what is another word.
#include "engine/serve/history_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "engine/base/text.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(HistoryRequest, WithoutAnArgumentIsForAllOfIt) {
  EXPECT_EQ(parse_history_request("HISTORY"), HistoryRequest{});
  EXPECT_EQ(parse_history_request("HISTORY \t "), HistoryRequest{});
}

TEST(HistoryRequest, Seconds) {
  EXPECT_EQ(parse_history_request("HISTORY 1"), (HistoryRequest{1s, ""}));
  EXPECT_EQ(parse_history_request("HISTORY \t0060"), (HistoryRequest{60s, ""}));
  EXPECT_EQ(parse_history_request("HISTORY 86400"), (HistoryRequest{86400s, ""}));
}

TEST(HistoryRequest, WhatIsNoNumberOfSecondsIsRefusedWithWhatIsAllowed) {
  for (const std::string argument :
       {"0", "-1", "+1", "86401", "18446744073709551616", "99999999999999999999999999999999", "1.5",
        "1e3", "0x10", "ten", "1 2", "60s", "1\v2", "\xff\xfe", "'", "\"", "\xe2\x80\xa8"}) {
    const auto request = parse_history_request("HISTORY " + argument);
    ASSERT_TRUE(request) << argument;
    EXPECT_EQ(request->back, std::nullopt);
    EXPECT_THAT(request->error, HasSubstr("is not a number of seconds from 1 to 86400"))
        << argument;
  }
  EXPECT_EQ(parse_history_request("HISTORY ten")->error,
            "HISTORY: 'ten' is not a number of seconds from 1 to 86400");
}

TEST(HistoryRequest, ALongArgumentIsQuotedInPart) {
  const auto request = parse_history_request("HISTORY " + std::string(4000, '9'));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->error, "HISTORY: '" + std::string(40, '9') +
                                "'... is not a number of seconds from 1 to 86400");
  // Cut within a character: what is left of it is escaped.
  const auto cut = parse_history_request("HISTORY " + std::string(39, 'a') + "\xc3\xa4\xc3\xa4");
  EXPECT_THAT(cut->error, HasSubstr("aaa\\xc3'..."));
}

// Whatever bytes come: another word, a number within its bounds, or one line that says what is wrong.
TEST(HistoryRequest, AnyBytes) {
  tcpeek::test::for_each_seed(2000, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const std::string_view alphabet = "0123456789 -+\t.ex\x1b\n\xc3\xa4\xe2\x80\xa8";
    std::string request = "HISTORY";
    for (std::size_t left = random() % 60; left > 0; --left) {
      request +=
          random() % 4 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    }
    const auto parsed = parse_history_request(request);
    if (!parsed) return;
    if (parsed->back) {
      EXPECT_GE(*parsed->back, 1s);
      EXPECT_LE(*parsed->back, 86400s);
      EXPECT_EQ(parsed->error, "");
    }
    EXPECT_EQ(printable(parsed->error), parsed->error);
    EXPECT_LE(parsed->error.size(), 4 * 32 + 100);
  });
}

TEST(HistoryRequest, OtherWordsAreNot) {
  for (const char* word : {"", "GET", "history", "HISTOR", "HISTORYX", "HISTORY60", "HISTORY-1",
                           "HISTORIES", "A HISTORY", "STATS HISTORY"}) {
    EXPECT_EQ(parse_history_request(word), std::nullopt) << word;
  }
}

}  // namespace
}  // namespace tcpeek::engine
