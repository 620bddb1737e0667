// Which word a mistyped one stands for.
#include "engine/base/near_word.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace tcpeek::engine {
namespace {

constexpr std::array<std::string_view, 4> kKnown{"success", "timeout", "reset", "RX"};

TEST(NearWord, Distance) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("reset", "reset"), 0U);
  EXPECT_EQ(edit_distance("reste", "reset"), 2U);
  EXPECT_EQ(edit_distance("rest", "reset"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(NearWord, TheNearestWithinTwoErrors) {
  EXPECT_EQ(nearest("sucess", kKnown), "success");
  EXPECT_EQ(nearest("TIMEOUT", kKnown), "timeout");
  EXPECT_EQ(nearest("rx", kKnown), "RX");
  EXPECT_EQ(nearest("resset", kKnown), "reset");
  EXPECT_FALSE(nearest("refused", kKnown));
  EXPECT_FALSE(nearest("", kKnown));
  EXPECT_FALSE(nearest("ab", kKnown)) << "no letter of it is in RX";
  EXPECT_FALSE(nearest("nix", kKnown)) << "two errors are all of RX";
  EXPECT_FALSE(nearest("reset", {}));
}

TEST(NearWord, LongWordsAreNearNothing) {
  const std::string longest(kLongestWord, 'a');
  const std::array<std::string_view, 1> known{longest};
  EXPECT_EQ(nearest(longest, known), longest);
  EXPECT_FALSE(nearest(longest + 'a', known));
  const std::string longer = longest + 'a';
  const std::array<std::string_view, 1> too_long{longer};
  EXPECT_FALSE(nearest(longest, too_long));
}

}  // namespace
}  // namespace tcpeek::engine
