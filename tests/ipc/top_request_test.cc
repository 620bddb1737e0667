// What TOP may be asked, and how a mistake is told.
#include "ipc/top_request.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace tcpeek::ipc {
namespace {

std::optional<TopRequest> parsed(std::string_view line) {
  const auto result = parse_top_request(line);
  if (!result) return std::nullopt;
  const TopRequest* request = std::get_if<TopRequest>(&*result);
  return request == nullptr ? std::nullopt : std::optional(*request);
}

TEST(TopRequest, HasDefaults) {
  EXPECT_EQ(parsed("TOP"), (TopRequest{.count = 10, .by = TopBy::service}));
}

TEST(TopRequest, TakesArgumentsInAnyOrder) {
  EXPECT_EQ(parsed("TOP 7"), (TopRequest{.count = 7, .by = TopBy::service}));
  EXPECT_EQ(parsed("TOP by=pair"), (TopRequest{.count = 10, .by = TopBy::pair}));
  EXPECT_EQ(parsed("TOP\t100  by=network"), (TopRequest{.count = 100, .by = TopBy::network}));
  EXPECT_EQ(parsed("TOP by=initiator 1"), (TopRequest{.count = 1, .by = TopBy::initiator}));
  for (const TopBy by : {TopBy::service, TopBy::initiator, TopBy::pair, TopBy::network}) {
    EXPECT_EQ(parsed("TOP by=" + std::string(word(by)))->by, by);
  }
}

TEST(TopRequest, OtherWordsAreNoneOfIt) {
  for (const char* line : {"", "T", "top", "TOPS", "TOP5", "STATS", "GET TOP", "TOP="}) {
    EXPECT_FALSE(parse_top_request(line)) << line;
  }
}

TEST(TopRequest, NamesTheMistakeAndWhatIsAllowed) {
  for (const char* argument :
       {"0", "101", "-1", "+5", "5x", "1.5", "99999999999999999999", "by=", "by=port", "by=Service",
        "services", "by = pair", "5 6", "by=pair by=pair", "\xff", "json"}) {
    const auto result = parse_top_request("TOP " + std::string(argument));
    ASSERT_TRUE(result) << argument;
    const auto* mistake = std::get_if<TopMistake>(&*result);
    ASSERT_NE(mistake, nullptr) << argument;
    EXPECT_NE(mistake->text.find("from 1 to 100"), std::string::npos) << mistake->text;
    EXPECT_NE(mistake->text.find("by=network"), std::string::npos) << mistake->text;
  }
}

TEST(TopRequest, ShowsLittleOfALongMistake) {
  const auto result = parse_top_request("TOP " + std::string(4000, 'x'));
  ASSERT_TRUE(result);
  EXPECT_LT(std::get<TopMistake>(*result).text.size(), 250U);
}

}  // namespace
}  // namespace tcpeek::ipc
