// What an exchange of filters changes, and the order that comes of it.
#include "engine/filters/filter_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tcpeek::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Texts = std::vector<std::string>;

FilterChanges changes(const Texts& running, const Texts& wanted) {
  return changes_of_filters(parse_filters(running), parse_filters(wanted));
}

Texts next(const FilterChanges& changes) {
  Texts texts;
  for (const FilterExpression& filter : changes.next) texts.push_back(filter.text);
  return texts;
}

TEST(FilterChangesTest, NothingChanges) {
  const Texts same{"a:RX@%:1", ":RX@%:2", "b:RX@%:3"};
  const FilterChanges none = changes(same, same);
  EXPECT_FALSE(none.any());
  EXPECT_EQ(none.kept, 2U);
  EXPECT_FALSE(changes(same, {"b:RX@%:3", "a:RX@%:1", ":RX@%:2", ":RX@%:2"}).any())
      << "another order, and an exclusion twice, count alike";
}

TEST(FilterChangesTest, EachKindOfChange) {
  const FilterChanges all =
      changes({"a:RX@%:1", "b:RX@%:2", ":RX@%:9", "c:RX@%:3", ":RX@%:8"},
              {":RX@%:7", "new:TX@%:1", "c:RX@%:3", "a:RX@%:5", ":RX@%:9", "newer:TX@%:2"});
  EXPECT_TRUE(all.any());
  EXPECT_THAT(all.added, ElementsAre("new", "newer"));
  EXPECT_THAT(all.removed, ElementsAre("b"));
  EXPECT_THAT(all.restarted, ElementsAre("a"));
  EXPECT_EQ(all.kept, 1U);
  EXPECT_THAT(all.exclusions_added, ElementsAre(":RX@%:7"));
  EXPECT_THAT(all.exclusions_removed, ElementsAre(":RX@%:8"));
  EXPECT_THAT(next(all), ElementsAre("RX:RX@%:%", "TX:TX@%:%", "a:RX@%:5", "c:RX@%:3", "new:TX@%:1",
                                     "newer:TX@%:2", ":RX@%:7", ":RX@%:9"));
}

TEST(FilterChangesTest, OnlyExclusions) {
  const FilterChanges one = changes({"a:RX@%:1"}, {"a:RX@%:1", ":RX@%:2"});
  EXPECT_TRUE(one.any());
  EXPECT_THAT(one.added, IsEmpty());
  EXPECT_THAT(next(one), ElementsAre("RX:RX@%:%", "TX:TX@%:%", "a:RX@%:1", ":RX@%:2"));
}

TEST(FilterChangesTest, AnExpressionWrittenDifferentlyIsAnother) {
  EXPECT_THAT(changes({"a:RX@%:1"}, {"a:RX@*:1"}).restarted, ElementsAre("a"));
}

}  // namespace
}  // namespace tcpeek::engine
