// The search for a slot to evict against a naive one: of the kind that is more, the earliest deadline.

#include "flowtable/victim_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace tcpeek::flowtable {
namespace {

constexpr std::uint32_t kSlots = 2 * VictimSearch::kGroupSlots;

struct Groups {
  VictimSearch::Deadlines a{};
  VictimSearch::Deadlines b{};
  std::uint32_t candidates = 0;

  [[nodiscard]] std::uint32_t& word(std::uint32_t slot) {
    return slot < a.size() ? a.at(slot) : b.at(slot - a.size());
  }
  void put(std::uint32_t slot, std::uint32_t tick, bool answered) {
    word(slot) = tick << 1 | (answered ? 1U : 0U);
    candidates |= 1U << slot;
  }
  [[nodiscard]] std::uint32_t found() const { return VictimSearch::find(a, b, candidates); }

  // Deadlines are all within half a round of `now`.
  [[nodiscard]] std::vector<std::uint32_t> acceptable(std::uint32_t now) {
    std::vector<std::uint32_t> slots;
    std::uint32_t answered = 0;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      if ((candidates >> i & 1U) == 0) continue;
      slots.push_back(i);
      answered += word(i) & 1U;
    }
    const bool wanted = 2 * answered > slots.size();
    const bool both = answered != 0 && answered != slots.size();
    if (both)
      std::erase_if(slots, [&](std::uint32_t i) { return ((word(i) & 1U) != 0) != wanted; });
    const auto age = [&](std::uint32_t i) {
      return static_cast<std::int32_t>((word(i) & ~1U) - (now << 1));
    };
    const auto least = std::ranges::min_element(slots, {}, age);
    const std::int32_t earliest = age(*least);
    std::erase_if(slots, [&](std::uint32_t i) { return age(i) != earliest; });
    return slots;
  }
};

TEST(VictimSearchTest, TheOnlyOneWhereverItIs) {
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    for (const bool answered : {false, true}) {
      Groups groups;
      // What is free or only remembered looks older.
      for (std::uint32_t i = 0; i < kSlots; ++i) groups.word(i) = 5;
      groups.put(slot, 1000, answered);
      EXPECT_EQ(groups.found(), slot);
    }
  }
}

TEST(VictimSearchTest, TheEarliestWhereverItIs) {
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    Groups groups;
    for (std::uint32_t i = 0; i < kSlots; ++i) groups.put(i, 2000 + i, false);
    groups.put(slot, 1999, false);
    EXPECT_EQ(groups.found(), slot);
  }
}

TEST(VictimSearchTest, OfTwoKindsTheOneThatIsMore) {
  for (std::uint32_t answered = 0; answered <= kSlots; ++answered) {
    Groups groups;
    for (std::uint32_t i = 0; i < kSlots; ++i) groups.put(i, 1000 + i, i >= kSlots - answered);
    const std::uint32_t first_answered = kSlots - answered;
    EXPECT_EQ(groups.found(), 2 * answered > kSlots ? first_answered : 0) << answered;
  }
}

TEST(VictimSearchTest, DeadlinesWrap) {
  Groups groups;
  groups.put(3, 2, false);
  groups.put(17, 0x7fff'fffe, false);
  EXPECT_EQ(groups.found(), 17U);
}

TEST(VictimSearchTest, FindsWhatANaiveSearchFinds) {
  std::mt19937 generator(20261126);
  const auto random = [&] { return static_cast<std::uint32_t>(generator()); };
  for (int round = 0; round < 200'000; ++round) {
    const std::uint32_t now = random();
    // Few different deadlines, so that some are equal; or many.
    const std::uint32_t spread = round % 2 == 0 ? 4 : 1'000'000;
    Groups groups;
    for (std::uint32_t i = 0; i < kSlots; ++i) groups.word(i) = random();
    const std::uint32_t taken = random() % 4 == 0 ? ~0U : random();
    const std::uint32_t answered_percent = random() % 101;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      if ((taken >> i & 1U) == 0) continue;
      groups.put(i, (now + random() % spread) & 0x7fff'ffff, random() % 100 < answered_percent);
    }
    if (groups.candidates == 0) continue;
    const auto acceptable = groups.acceptable(now);
    ASSERT_TRUE(std::ranges::count(acceptable, groups.found()) == 1) << "round " << round;
    const std::uint32_t plainly =
        VictimSearch::find_one_by_one(groups.a, groups.b, groups.candidates);
    ASSERT_EQ(groups.found(), plainly) << "round " << round;
#ifdef __SSE2__
    ASSERT_EQ(VictimSearch::find_by_four(groups.a, groups.b, groups.candidates), plainly)
        << "round " << round;
#endif
  }
}

}  // namespace
}  // namespace tcpeek::flowtable
