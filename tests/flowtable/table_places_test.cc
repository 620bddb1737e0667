// Where the flow table puts a new attempt, what it gives up for it, and in which order.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "tests/flowtable/table_support.h"

namespace tcpeek::flowtable::test {
namespace {

// With two groups every key has the same two, so the order shows plainly.
constexpr std::uint32_t kTwoGroups = 20;

TEST(AttemptTable, TakesEveryFreeSlotFirst) {
  Bench b(18);
  std::set<Slot> slots;
  for (std::uint32_t n = 0; n < kTwoGroups; ++n) {
    const AttemptTable::Place place = b.put(key_of(n));
    EXPECT_FALSE(place.evicts);
    EXPECT_TRUE(slots.insert(place.slot).second) << "took a slot in use while others were free";
  }
  EXPECT_EQ(b.table.pending(), kTwoGroups);
  EXPECT_TRUE(b.table.consistent());
}

TEST(AttemptTable, ThenTheRememberedOnesOfTheFirstGroupInTurn) {
  Bench b(18);
  for (std::uint32_t n = 0; n < kTwoGroups; ++n) b.put(key_of(n), false, seconds(n));
  const std::vector<std::uint32_t> here = b.in_group(0, kTwoGroups);
  for (const std::size_t i : {7U, 3U, 5U}) b.remember(key_of(here[i]), {100});
  const std::uint32_t there = b.in_group(1, kTwoGroups).front();
  b.remember(key_of(there), {100});
  std::uint32_t n = 100;
  for (const std::uint32_t gone : {here[3], here[5], here[7], there}) {
    n = b.next_at_home(0, n + 1);
    EXPECT_FALSE(b.put(key_of(n)).evicts);
    EXPECT_FALSE(b.find(key_of(gone))) << gone << " was taken longest ago";
    EXPECT_TRUE(b.table.consistent());
  }
  EXPECT_EQ(b.table.pending(), kTwoGroups);
  EXPECT_EQ(b.table.remembered(), 0U);
}

TEST(AttemptTable, ThenTheOldestOfTheKindThatIsMore) {
  Bench b(18);
  for (std::uint32_t n = 0; n < kTwoGroups; ++n) b.put(key_of(n), false, seconds((n * 7) % 20));
  // The oldest two were answered: attempts 0 (second 0) and 3 (second 1).
  b.answer(key_of(0));
  b.answer(key_of(3));
  const std::uint32_t second_2 = 6;  // 6 * 7 = 42
  EXPECT_TRUE(b.put(key_of(100), false, seconds(50)).evicts);
  EXPECT_FALSE(b.find(key_of(second_2)));
  EXPECT_EQ(b.table.pending(), kTwoGroups);
  for (std::uint32_t n = 0; n < kTwoGroups; ++n) {
    if (b.find(key_of(n))) b.answer(key_of(n));
  }
  EXPECT_TRUE(b.put(key_of(101), false, seconds(51)).evicts);
  EXPECT_TRUE(b.find(key_of(100))) << "the only unanswered one";
  EXPECT_FALSE(b.find(key_of(0))) << "the oldest answered one";
  EXPECT_TRUE(b.put(key_of(102), false, seconds(52)).evicts);
  EXPECT_TRUE(b.find(key_of(100)));
  EXPECT_FALSE(b.find(key_of(3)));
  EXPECT_TRUE(b.table.consistent());
}

TEST(AttemptTable, MovesAnAttemptRatherThanEvict) {
  Bench b(1000);
  std::uint32_t moves = 0;
  std::map<std::uint32_t, Slot> slots;
  for (std::uint32_t n = 0; n < 1000; ++n) {
    b.put(key_of(n), false, seconds(n));
    b.table.set_deadline(b.find(key_of(n)), {n});
    slots[n] = b.find(key_of(n));
    for (auto& [key, slot] : slots) {
      const auto now = b.find(key_of(key));
      ASSERT_TRUE(now);
      if (now == slot) continue;
      ++moves;
      slot = now;
      ASSERT_EQ(b.table[now].first_syn, seconds(key));
      ASSERT_EQ(b.table.deadline(now).value, key) << "the deadline moves along";
    }
    ASSERT_TRUE(b.table.consistent());
  }
  EXPECT_GT(moves, 0U);
}

TEST(AttemptTable, EvictsWhenAskedToThoughThereIsRoom) {
  Bench b(18);
  EXPECT_FALSE(b.put(key_of(0), true, seconds(5)).evicts) << "nothing is pending";
  b.put(key_of(1), false, seconds(4));
  b.put(key_of(2), false, seconds(3));
  b.remember(key_of(2), {0});
  EXPECT_TRUE(b.put(key_of(3), true, seconds(6)).evicts);
  EXPECT_FALSE(b.find(key_of(1))) << "the oldest pending one";
  EXPECT_TRUE(b.find(key_of(0)));
  EXPECT_TRUE(b.find(key_of(2))) << "what is remembered is not pending";
  EXPECT_EQ(b.table.pending(), 2U);
  EXPECT_TRUE(b.table.consistent());
}

// Whenever it is, and so also half a round of the clock from the zero in a slot never used.
TEST(AttemptTable, EvictsTheOldestByPendingOnesAlone) {
  constexpr std::chrono::nanoseconds kHalfRound{(std::int64_t{Tick::kMask} / 2 + 1)
                                                << Tick::kShift};
  constexpr std::chrono::seconds kSecond{1};
  Bench b(2);
  const std::uint32_t older = b.next_at_home(1, 0);
  const std::uint32_t newer = b.next_at_home(1, older + 1);
  b.put(key_of(older), false, time_of(kHalfRound - kSecond));
  b.put(key_of(newer), false, time_of(kHalfRound + kSecond));
  EXPECT_TRUE(b.put(key_of(b.next_at_home(0, 0)), true, time_of(kHalfRound + 2 * kSecond)).evicts);
  EXPECT_FALSE(b.find(key_of(older)));
  EXPECT_TRUE(b.find(key_of(newer)));
}

// More keys of one group than a group may have guests elsewhere, among older ones of others.
TEST(AttemptTable, BoundsTheGuestsOfOneGroup) {
  for (const bool force : {false, true}) {
    Bench b(300);
    std::vector<std::uint32_t> all;
    std::uint32_t evicted = 0;
    for (std::uint32_t n = 0; n < 150; ++n) {
      if (b.home(n) == 0) continue;
      all.push_back(n);
      if (b.put(key_of(n), false, seconds(-1000)).evicts) ++evicted;
    }
    for (std::uint32_t i = 0, n = 1000; i < 200; ++i, ++n) {
      all.push_back(n = b.next_at_home(0, n));
      if (b.put(key_of(n), force && i >= 73, seconds(i)).evicts) ++evicted;
      ASSERT_TRUE(b.table.consistent()) << "key " << i << " of one group, forced " << force;
    }
    const auto found = std::count_if(all.begin(), all.end(), [&](std::uint32_t n) {
      return static_cast<bool>(b.find(key_of(n)));
    });
    EXPECT_EQ(static_cast<std::size_t>(found) + evicted, all.size()) << "lost without being told";
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::test
