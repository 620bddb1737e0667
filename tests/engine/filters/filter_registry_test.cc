// Numbers of filters across exchanges: who keeps one, who gets a new one, when one is free again.
#include "engine/filters/filter_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Texts = std::vector<std::string>;

std::vector<std::string> shown(const FilterRegistry& registry) {
  std::vector<std::string> all;
  for (const auto& [id, filter, removed, since] : registry.entries()) {
    all.push_back(std::to_string(id) + (removed ? " -" : " ") + filter->name);
  }
  return all;
}

// Twice: a number is free in the round after the last attempt's end.
void settle_all(FilterRegistry& registry, std::uint64_t pending = 0) {
  for (int round = 0; round < 2; ++round) {
    registry.settle(registry.generation(), [=](FilterId) { return pending; });
  }
}

TEST(FilterRegistryTest, NumbersAreInTheOrderOfTheCommandLine) {
  const FilterRegistry registry(parse_filters({"a:RX@%:1", ":RX@%:2", "b:TX@%:3"}));
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "2 a", "3 b"));
  EXPECT_EQ(registry.generation(), 1U);
  EXPECT_EQ(registry.id_bound(), 4U);
}

TEST(FilterRegistryTest, WhatStaysKeepsItsNumberAndItsDate) {
  FilterRegistry registry(parse_filters({"a:RX@%:1", "b:RX@%:2"}));
  registry.exchange(parse_filters({"c:RX@%:3", "b:RX@%:2"}));
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "4 c", "3 b", "2 -a"));
  const Ruleset rules = registry.ruleset({});
  EXPECT_EQ(rules.generation(), 2U);
  EXPECT_EQ(rules.counted()[2].since, 2U) << "c came with these rules";
  EXPECT_EQ(rules.counted()[3].since, 1U) << "b did not";
}

TEST(FilterRegistryTest, AnotherExpressionIsAnotherFilter) {
  FilterRegistry registry(parse_filters({"a:RX@%:1"}));
  registry.exchange(parse_filters({"a:RX@%:2"}));
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "3 a", "2 -a"));
}

TEST(FilterRegistryTest, ARemovedOneStaysUntilItsLastAttemptHasEnded) {
  FilterRegistry registry(parse_filters({"a:RX@%:1"}));
  registry.exchange(parse_filters({}));
  settle_all(registry, 1);
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "2 -a"));
  registry.settle(registry.generation() - 1, [](FilterId) { return 0U; });
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "2 -a"))
      << "a reader that goes by older rules may still count under it";
  settle_all(registry);
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX"));
  EXPECT_EQ(registry.name(2), "a") << "outcomes may wait to be printed";
  registry.exchange(parse_filters({"b:RX@%:2"}));
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "2 b"));
}

TEST(FilterRegistryTest, ANumberIsFreeOnceTheLastOutcomesArePrinted) {
  FilterRegistry registry(parse_filters({"a:RX@%:1"}));
  registry.exchange(parse_filters({}));
  const auto settle = [&] { registry.settle(registry.generation(), [](FilterId) { return 0U; }); };
  settle();
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "2 -a"));
  registry.exchange(parse_filters({"b:RX@%:1"}));
  EXPECT_EQ(registry.name(2), "a") << "its outcomes may still be in a queue";
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "3 b", "2 -a"));
  settle();
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "3 b"));
}

TEST(FilterRegistryTest, SinceWhenEachIsThere) {
  FilterRegistry registry(parse_filters({"a:RX@%:1", "b:RX@%:2"}));
  registry.exchange(parse_filters({"a:RX@%:1"}));
  std::vector<std::uint32_t> since;
  for (const auto& entry : registry.entries()) since.push_back(entry.since);
  EXPECT_THAT(since, ElementsAre(1, 1, 1, 2)) << "RX, TX, a, and b, which was removed";
}

TEST(FilterRegistryTest, OneThatComesBackBeginsAnew) {
  FilterRegistry registry(parse_filters({"a:RX@%:1"}));
  registry.exchange(parse_filters({}));
  registry.exchange(parse_filters({"a:RX@%:1"}));
  EXPECT_THAT(shown(registry), ElementsAre("0 RX", "1 TX", "3 a", "2 -a"));
}

Texts full(const std::string& prefix) {
  Texts texts;
  for (std::size_t i = 0; i + 2 < kMaxFilters; ++i) {
    texts.push_back(prefix + std::to_string(i) + ":RX@%:" + std::to_string(i + 1));
  }
  return texts;
}

TEST(FilterRegistryTest, AFullOneCanBeReplacedOnceAndThenMustSettle) {
  FilterRegistry registry(parse_filters(full("a")));
  registry.exchange(parse_filters(full("b")));
  EXPECT_LE(registry.id_bound(), kMaxFilterIds);
  const auto before = shown(registry);
  EXPECT_THROW(registry.exchange(parse_filters(full("c"))), std::length_error);
  EXPECT_EQ(shown(registry), before) << "a refusal changes nothing";
  EXPECT_EQ(registry.generation(), 2U);
  settle_all(registry);
  registry.exchange(parse_filters(full("c")));
  EXPECT_EQ(registry.entries().size(), 2 * (kMaxFilters - 2) + 2);
}

TEST(FilterRegistryTest, ThousandsOfGenerationsCostNothing) {
  FilterRegistry registry(parse_filters({}));
  for (int i = 0; i < 5000; ++i) {
    registry.exchange(parse_filters({"f:RX@%:" + std::to_string(i % 65535 + 1)}));
    settle_all(registry);
  }
  EXPECT_LE(registry.id_bound(), 4U);
}

// Against plain maps: which filters are in force under which number, and which wait for their end.
TEST(FilterRegistryTest, RandomExchanges) {
  std::mt19937_64 random(11);
  const std::uint64_t rounds = tcpeek::test::share_of(4000);
  FilterRegistry registry(parse_filters({}));
  std::map<FilterId, std::string> in_force{{0, "RX:RX@%:%"}, {1, "TX:TX@%:%"}};
  std::map<FilterId, std::string> removed;
  std::set<FilterId> ended;  // of those
  for (std::uint64_t round = 0; round < rounds; ++round) {
    Texts texts;
    for (int i = 0; i < 8; ++i) {
      if (random() % 2 != 0) continue;
      texts.push_back("f" + std::to_string(i) + ":RX@%:" + std::to_string(random() % 3 + 1));
    }
    registry.exchange(parse_filters(texts));
    texts.insert(texts.begin(), {"RX:RX@%:%", "TX:TX@%:%"});
    std::map<FilterId, std::string> now;
    for (const auto& [id, filter, is_removed, since] : registry.entries()) {
      if (is_removed) continue;
      const auto before = in_force.find(id);
      ASSERT_TRUE(before == in_force.end() || before->second == filter->text);
      ASSERT_FALSE(removed.contains(id)) << "a number in use was given away";
      now[id] = filter->text;
    }
    ASSERT_EQ(now.size(), texts.size());
    for (const auto& [id, text] : in_force) {
      if (!now.contains(id)) removed[id] = text;
    }
    in_force = now;
    for (const FilterId id : std::exchange(ended, {})) removed.erase(id);
    registry.settle(registry.generation(), [&](FilterId id) -> std::uint64_t {
      if (random() % 4 == 0) return 1;
      ended.insert(id);
      return 0;
    });
    std::size_t left = 0;
    for (const auto& entry : registry.entries()) left += entry.removed;
    ASSERT_EQ(left, removed.size());
  }
}

}  // namespace
}  // namespace tcpeek::engine
