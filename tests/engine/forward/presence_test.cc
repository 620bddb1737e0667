// What is known to be in the stream: events, gaps and batches of aggregates.
#include "engine/forward/presence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpeek::forward {
namespace {

using ::testing::ElementsAre;

const std::string kSomeBoot = "0123456789abcdef";

class PresenceTest : public ::testing::Test {
 protected:
  void event(std::uint64_t seq) {
    presence.add({.boot = kSomeBoot, .from = seq, .to = seq, .service = {}});
  }
  void gap(std::uint64_t from, std::uint64_t to) {
    presence.add({.boot = kSomeBoot, .from = from, .to = to, .service = {}, .range = true});
  }
  void aggregate(std::uint64_t from, std::uint64_t to, std::uint64_t parts, const char* service) {
    presence.add({.boot = kSomeBoot,
                  .from = from,
                  .to = to,
                  .parts = parts,
                  .service = service,
                  .range = true});
  }
  std::uint64_t advanced(std::uint64_t seq, bool singles = true) {
    return presence.advanced({kSomeBoot, seq}, singles).seq;
  }

  Presence presence;
};

TEST_F(PresenceTest, AdvancesToTheFirstThatIsMissing) {
  for (const std::uint64_t seq : {11U, 12U, 14U}) event(seq);
  EXPECT_EQ(advanced(9), 9U);
  EXPECT_EQ(advanced(10), 12U);
  gap(13, 13);
  EXPECT_EQ(advanced(10), 14U);
  EXPECT_EQ(advanced(10, false), 10U);
  EXPECT_EQ(presence.first(kSomeBoot), 11U);
  EXPECT_EQ(presence.first("other"), 0U);
}

TEST_F(PresenceTest, WhatIsMissingOfARange) {
  event(3);
  gap(6, 8);
  EXPECT_THAT(presence.missing(kSomeBoot, {1, 10}),
              ElementsAre(Range{1, 2}, Range{4, 5}, Range{9, 10}));
  EXPECT_THAT(presence.missing(kSomeBoot, {7, 8}), ElementsAre());
  EXPECT_THAT(presence.missing("other", {7, 8}), ElementsAre(Range{7, 8}));
}

TEST_F(PresenceTest, ABatchCountsWhenAllOfItIsThere) {
  aggregate(11, 20, 2, "a:1");
  EXPECT_FALSE(presence.has(kSomeBoot, 15));
  EXPECT_TRUE(presence.is_cut(kSomeBoot, 20));
  EXPECT_TRUE(presence.has_cut_after(kSomeBoot, 19));
  EXPECT_EQ(presence.last_cut(kSomeBoot, {1, 30}), 20U);
  EXPECT_EQ(presence.last_cut(kSomeBoot, {21, 30}), 0U);
  EXPECT_EQ(presence.last_cut(kSomeBoot, {1, 19}), 0U);
  EXPECT_TRUE(presence.has_aggregate(kSomeBoot, 20, "a:1"));
  EXPECT_FALSE(presence.has_aggregate(kSomeBoot, 20, "b:1"));
  aggregate(11, 20, 2, "b:1");
  EXPECT_FALSE(presence.has(kSomeBoot, 15)) << "a failure may be missing";
  EXPECT_TRUE(presence.has_in_range(kSomeBoot, 15));
  EXPECT_THAT(presence.missing(kSomeBoot, {10, 21}), ElementsAre(Range{10, 10}, Range{21, 21}));
  EXPECT_FALSE(presence.is_cut(kSomeBoot, 20));
  EXPECT_EQ(advanced(10, false), 10U);
}

TEST_F(PresenceTest, Forgets) {
  event(3);
  event(9);
  presence.forget({kSomeBoot, 3});
  EXPECT_FALSE(presence.has(kSomeBoot, 3));
  EXPECT_TRUE(presence.has(kSomeBoot, 9));
  presence.forget({"another", 1});
  EXPECT_TRUE(presence.empty());
}

}  // namespace
}  // namespace tcpeek::forward
