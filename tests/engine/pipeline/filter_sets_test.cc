// Sets of filters: what is in one stays in it until the attempt has ended, whatever comes meanwhile.
#include "engine/pipeline/filter_sets.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/filters/filter_registry.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Tag = FilterSets::Tag;

const Address kPeer = parse_address("192.0.2.9").value();
const Address kHere = parse_address("192.0.2.1").value();

MatchKey key_of(const Ruleset& rules, std::uint16_t port, std::uint8_t directions = 1) {
  return rules.matcher().classify(kPeer, kHere, port, directions);
}

std::vector<FilterId> in(const FilterSets& sets, Tag tag) {
  std::vector<FilterId> ids;
  for_each_bit(sets.word(tag, 0) & 3,
               [&](std::size_t side) { ids.push_back(static_cast<FilterId>(side)); });
  const bool any = sets.for_each_named(tag, [&](FilterId id) { ids.push_back(id); });
  return any ? ids : std::vector<FilterId>();
}

TEST(FilterSetsTest, EqualSetsShareATag) {
  const FilterRegistry registry(parse_filters({"a:RX@%:1:2", "b:RX@%:3"}));
  const Ruleset rules = registry.ruleset({});
  FilterSets sets;
  sets.go_by(rules);
  const Tag one = sets.open(rules, key_of(rules, 1));
  EXPECT_EQ(sets.open(rules, key_of(rules, 2)), one);
  EXPECT_NE(sets.open(rules, key_of(rules, 3)), one);
  EXPECT_THAT(in(sets, one), ElementsAre(0, 2));
  EXPECT_THAT(in(sets, sets.open(rules, key_of(rules, 9))), ElementsAre(0));
  EXPECT_THAT(in(sets, sets.open(rules, key_of(rules, 9, 3))), ElementsAre(0, 1));
}

TEST(FilterSetsTest, NothingMatchesWithoutADirectionOrWhereExcluded) {
  const FilterRegistry registry(parse_filters({":RX@%:22", "a:RX@%:22"}));
  const Ruleset rules = registry.ruleset({});
  FilterSets sets;
  sets.go_by(rules);
  EXPECT_THAT(in(sets, sets.open(rules, key_of(rules, 22))), IsEmpty());
  EXPECT_THAT(in(sets, sets.open(rules, key_of(rules, 80, 0))), IsEmpty());
}

TEST(FilterSetsTest, AnAttemptEndsInTheSetItBeganIn) {
  FilterRegistry registry(parse_filters({"a:RX@%:1"}));
  FilterSets sets;
  const Ruleset before = registry.ruleset({});
  sets.go_by(before);
  const Tag open = sets.open(before, key_of(before, 1));
  const Tag over = sets.open(before, key_of(before, 1, 3));
  sets.close(over);
  registry.exchange(parse_filters({"b:RX@%:1"}));
  const Ruleset after = registry.ruleset({});
  sets.go_by(after);
  EXPECT_THAT(in(sets, open), ElementsAre(0, 2));
  EXPECT_THAT(in(sets, over), IsEmpty()) << "nobody was in it";
  EXPECT_THAT(in(sets, sets.open(after, key_of(after, 1))), ElementsAre(0, 3));
  sets.close(open);
  EXPECT_THAT(in(sets, open), IsEmpty()) << "its last attempt has ended";
}

TEST(FilterSetsTest, LargeNumbersAreKeptInTheirWords) {
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) {
    texts.push_back(fmt::format("f{}:RX@%:{}", i, i + 1));
  }
  texts.push_back("all:RX@%:%");
  const FilterRegistry registry(parse_filters(texts));
  const Ruleset rules = registry.ruleset({});
  FilterSets sets;
  sets.go_by(rules);
  for (const int port : {1, 62, 63, 64, 500, 999, 1000}) {
    const MatchKey key = key_of(rules, static_cast<std::uint16_t>(port));
    EXPECT_THAT(in(sets, sets.open(rules, key)), ElementsAre(0, port + 1, 1002));
  }
}

// As many sets as there are ports; the filters are the bits of a port's number.
std::vector<std::string> bit_filters(unsigned bits) {
  std::vector<std::string> texts;
  for (unsigned bit = 0; bit < bits; ++bit) {
    std::string ports;
    for (unsigned port = 1; port < 1U << bits; ++port) {
      if ((port >> bit & 1U) == 0) continue;
      const unsigned run = (1U << bit) - 1;  // ports beside it that have the bit as well
      ports += run > 0 ? fmt::format(":{}-{}", port, port + run) : fmt::format(":{}", port);
      port += run;
    }
    texts.push_back("bit" + std::to_string(bit) + ":RX@%" + ports);
  }
  return texts;
}

TEST(FilterSetsTest, AtTheBoundPlacesWithoutAttemptsAreGivenAway) {
  constexpr unsigned kBits = 12;
  constexpr unsigned kPorts = (1U << kBits) - 8;  // a few places are for RX and TX
  std::vector<std::string> texts = bit_filters(kBits);
  // Eight halves of each by address make 32,768 sets.
  for (int i = 0; i < 3; ++i) {
    texts.push_back("net" + std::to_string(i) + ":RX@10." + std::to_string(1 << i) + ".0.0/16:%");
  }
  const FilterRegistry registry(parse_filters(texts));
  const Ruleset rules = registry.ruleset({});
  FilterSets sets;
  sets.go_by(rules);
  const std::vector<Address> peers{
      parse_address("10.1.0.1").value(), parse_address("10.2.0.1").value(),
      parse_address("10.4.0.1").value(), parse_address("10.8.0.1").value()};
  std::vector<Tag> open;
  for (const bool keep : {false, true}) {
    for (const Address& peer : peers) {
      for (std::uint16_t port = 1; port < kPorts; ++port) {
        const Tag tag = sets.open(rules, rules.matcher().classify(peer, kHere, port, 1));
        ASSERT_FALSE(in(sets, tag).empty());
        if (keep) {
          open.push_back(tag);
        } else {
          sets.close(tag);
        }
      }
    }
    EXPECT_EQ(sets.overflowed(), 0U) << "there always is a place to give away";
  }
  // One more of each kind: TX as well.
  for (std::uint16_t port = 1; port < 1U << kBits; ++port) {
    open.push_back(sets.open(rules, rules.matcher().classify(peers[0], kHere, port, 3)));
  }
  EXPECT_GT(sets.overflowed(), 0U);
  EXPECT_THAT(in(sets, open.back()), ElementsAre(0, 1)) << "RX and TX alone";
  for (const Tag tag : open) sets.close(tag);
  const std::uint64_t so_far = sets.overflowed();
  for (std::uint16_t port = 1; port < 1U << kBits; ++port) {
    sets.close(sets.open(rules, rules.matcher().classify(peers[0], kHere, port, 3)));
  }
  EXPECT_EQ(sets.overflowed(), so_far) << "there are places again";
}

// Against a map from attempt to what the rules of its beginning said.
TEST(FilterSetsTest, RandomAttemptsUnderChangingRules) {
  std::mt19937_64 random(5);
  const std::uint64_t rounds = tcpeek::test::share_of(200'000);
  FilterRegistry registry(parse_filters({}));
  Ruleset rules = registry.ruleset({});
  FilterSets sets;
  sets.go_by(rules);
  std::vector<std::pair<Tag, std::vector<FilterId>>> open;
  std::map<FilterId, std::uint64_t> pending;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    if (random() % 500 == 0) {
      std::vector<std::string> texts;
      for (int f = 0; f < 6; ++f) {
        if (random() % 3 == 0) continue;
        const std::string name = f == 5 ? "" : fmt::format("f{}", f);
        const auto first = random() % 4 + 1;
        texts.push_back(fmt::format("{}:RX@%:{}-{}", name, first, random() % 4 + 5));
      }
      registry.settle(registry.generation(), [&](FilterId id) { return pending[id]; });
      registry.exchange(parse_filters(texts));
      rules = registry.ruleset({});
      sets.go_by(rules);
    }
    if (open.size() < 300 && random() % 2 == 0) {
      const MatchKey key = key_of(rules, static_cast<std::uint16_t>(random() % 10),
                                  static_cast<std::uint8_t>(random() % 4));
      std::vector<FilterId> expected;
      rules.matcher().for_each_match(
          key, [&](std::size_t index) { expected.push_back(rules.counted()[index].id); });
      for (const FilterId id : expected) ++pending[id];
      open.emplace_back(sets.open(rules, key), std::move(expected));
    } else if (!open.empty()) {
      auto& one = open[random() % open.size()];
      auto found = in(sets, one.first);
      std::ranges::sort(one.second);
      ASSERT_EQ(found, one.second);
      sets.close(one.first);
      for (const FilterId id : found) --pending[id];
      one = std::move(open.back());
      open.pop_back();
    }
  }
  EXPECT_EQ(sets.overflowed(), 0U);
}

}  // namespace
}  // namespace tcpeek::engine
