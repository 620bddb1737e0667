// The flow table: what it finds, where it puts things, what it gives up, and in which order.

#include "flowtable/table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <system_error>
#include <vector>

#include "tests/support/secret.h"
#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr bool kThorough = false;
#else
constexpr bool kThorough = true;
#endif

FlowKey key_of(std::uint32_t n) {
  Endpoint from = v4(static_cast<std::uint8_t>(n), static_cast<std::uint16_t>(n >> 8));
  from.address[13] = static_cast<std::uint8_t>(n >> 24);
  return make_key(from, v4(7, 80)).key;
}

PacketTime seconds(std::int64_t s) {
  return time_of(std::chrono::seconds(s));
}

// A table that is used as the tracker uses it.
struct Bench {
  AttemptTable table;

  explicit Bench(std::uint64_t capacity, std::uint64_t seed = 1)
      : table(capacity, secret_of(seed)) {}

  // The place that a new attempt got.
  AttemptTable::Place put(const FlowKey& key, bool force = false, PacketTime first_syn = {}) {
    const AttemptTable::Home home = table.home(key);
    const AttemptTable::Place place = table.place(home, force);
    Attempt& attempt = table.put(place.slot, key, home);
    attempt.first_syn = first_syn;
    table.set_deadline(place.slot, Tick::not_before(first_syn));
    return place;
  }
  Slot find(const FlowKey& key) const { return table.find(key, table.home(key)); }
  void remember(const FlowKey& key, Tick until) {
    const Slot slot = find(key);
    table[slot].handshake.phase = Phase::succeeded;
    table.set_remembered(slot);
    table.set_deadline(slot, until);
  }
  // The first group of a key, by the rule in table.cc.
  std::size_t home(std::uint32_t n) const {
    const std::uint64_t hash = table.home(key_of(n)).hash;
    return static_cast<std::size_t>(((hash >> 32) * table.group_count()) >> 32);
  }
  std::uint32_t next_at_home(std::size_t group, std::uint32_t from) const {
    while (home(from) != group) ++from;
    return from;
  }
  // Which of the keys below `end` sit in a group.
  std::vector<std::uint32_t> in_group(std::size_t group, std::uint32_t end) const {
    std::vector<std::uint32_t> inside;
    for (std::uint32_t n = 0; n < end; ++n) {
      const auto slot = find(key_of(n));
      if (slot && slot.group() == group) inside.push_back(n);
    }
    return inside;
  }
  void answer(const FlowKey& key) {
    const Slot slot = find(key);
    table[slot].handshake.phase = Phase::answered;
    table.set_deadline(slot, table.deadline(slot), true);
  }
};

void fill_to_capacity(std::uint32_t capacity, std::uint64_t seed) {
  Bench b(capacity, seed);
  for (std::uint32_t n = 0; n < capacity; ++n) {
    ASSERT_FALSE(b.put(key_of(n)).evicts) << "at " << n << " of " << capacity << ", seed " << seed;
  }
  EXPECT_EQ(b.table.pending(), capacity);
  EXPECT_EQ(b.table.remembered(), 0U);
  EXPECT_TRUE(b.table.consistent());
  for (std::uint32_t n = 0; n < capacity; ++n) {
    const auto slot = b.find(key_of(n));
    ASSERT_TRUE(slot) << n;
    ASSERT_EQ(b.table[slot].key, key_of(n));
  }
  for (std::uint32_t n = capacity; n < 2 * capacity; ++n) ASSERT_FALSE(b.find(key_of(n)));
}

TEST(AttemptTable, FillsToItsCapacityWithoutEvicting) {
  for (std::uint32_t capacity = 1; capacity <= 64; ++capacity) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) fill_to_capacity(capacity, seed);
  }
  for (std::uint64_t seed = 0; seed < (kThorough ? 500U : 50U) && !HasFailure(); ++seed) {
    fill_to_capacity(1000, seed);
  }
  if (!kThorough || HasFailure()) return;
  fill_to_capacity(100'000, 1);
  fill_to_capacity(1'000'000, 2);
}

// What is remembered fills every slot that is free; pending ones still must not be evicted for it.
TEST(AttemptTable, RememberedOnesAreNeverInTheWay) {
  constexpr std::uint32_t kCapacity = 5'000;
  Bench b(kCapacity);
  std::uint32_t next = 0;
  for (; next < 4 * kCapacity; ++next) {
    b.put(key_of(next));
    b.remember(key_of(next), {1});
  }
  std::uint32_t evicted = 0;
  for (std::uint32_t n = 0; n < kCapacity; ++n) evicted += b.put(key_of(next++)).evicts;
  EXPECT_EQ(evicted, 0U);
  EXPECT_EQ(b.table.pending(), kCapacity);
  EXPECT_TRUE(b.table.consistent());
}

// A full table where attempts come and go.
TEST(AttemptTable, StaysFullWithoutEvicting) {
  constexpr std::uint32_t kCapacity = 10'000;
  Bench b(kCapacity);
  std::mt19937 random(1);
  std::vector<std::uint32_t> inside(kCapacity);
  for (std::uint32_t n = 0; n < kCapacity; ++n) {
    inside[n] = n;
    b.put(key_of(n));
  }
  std::uint32_t evictions = 0;
  for (std::uint32_t n = kCapacity; n < (kThorough ? 50U : 5U) * kCapacity; ++n) {
    const std::size_t i = random() % kCapacity;
    const auto slot = b.find(key_of(inside[i]));
    if (slot) b.table.erase(slot);
    inside[i] = n;
    if (b.put(key_of(n)).evicts) ++evictions;
  }
  EXPECT_EQ(evictions, 0U);
  EXPECT_TRUE(b.table.consistent());
}

TEST(AttemptTable, KeepsTwoGroupsAtLeast) {
  for (const std::uint64_t capacity : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{18}}) {
    const Bench b(capacity);
    EXPECT_EQ(b.table.group_count(), 2U);
    EXPECT_EQ(b.table.capacity(), std::max<std::uint64_t>(capacity, 1));
  }
}

TEST(AttemptTable, HoldsAnAttemptInNinetySixBytes) {
  const Bench b(100'000);
  EXPECT_LE(b.table.memory_bytes(), 96U * 100'000);
}

TEST(AttemptTable, RefusesWhatMemoryCannotHold) {
  try {
    const Bench b(std::uint64_t{1} << 50);
    FAIL() << "a petabyte was found";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code().value(), ENOMEM);
    EXPECT_NE(std::string(e.what()).find("mmap"), std::string::npos) << e.what();
  }
}

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

TEST(AttemptTable, ThenTheOldestUnanswered) {
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
  EXPECT_FALSE(b.find(key_of(100))) << "the only unanswered one";
  b.answer(key_of(101));
  EXPECT_TRUE(b.put(key_of(102), false, seconds(52)).evicts);
  EXPECT_FALSE(b.find(key_of(0))) << "all answered: the oldest";
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

TEST(AttemptTable, PutWritesAnAttemptAnew) {
  Bench b(1);
  const Slot slot = b.put(key_of(1)).slot;
  b.table[slot].tag = 77;
  b.table[slot].set_marks(0x7f);
  b.answer(key_of(1));
  b.remember(key_of(1), {9});
  b.table.put(slot, key_of(2), b.table.home(key_of(2)));
  EXPECT_FALSE(b.find(key_of(1)));
  ASSERT_EQ(b.find(key_of(2)), slot);
  EXPECT_EQ(b.table[slot].tag, 0U);
  EXPECT_EQ(b.table[slot].marks(), 0);
  EXPECT_TRUE(b.table[slot].pending());
  EXPECT_EQ(b.table.pending(), 1U);
  EXPECT_EQ(b.table.remembered(), 0U);
  EXPECT_TRUE(b.table.consistent());
}

TEST(AttemptTable, ErasingTwiceIsErasingOnce) {
  Bench b(1);
  const Slot slot = b.put(key_of(1)).slot;
  b.table.erase(slot);
  b.table.erase(slot);
  EXPECT_EQ(b.table.pending(), 0U);
  EXPECT_FALSE(b.find(key_of(1)));
  b.put(key_of(1));
  b.remember(key_of(1), {1});
  b.table.set_remembered(b.find(key_of(1)));
  EXPECT_EQ(b.table.remembered(), 1U);
  EXPECT_TRUE(b.table.consistent());
}

// Random use against a std::map; a table of few groups is full of keys that sit in their second.
TEST(AttemptTable, AgreesWithAMap) {
  struct Known {
    bool remembered = false;
    std::uint32_t deadline = 0;
  };
  for (std::uint64_t seed = 0; seed < (kThorough ? 200U : 20U); ++seed) {
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    const auto capacity = 1 + random() % 60;
    Bench b(capacity, seed);
    std::map<std::uint32_t, Known> known;
    for (std::uint32_t i = 0; i < 2000; ++i) {
      const auto n = static_cast<std::uint32_t>(random() % 120);
      const auto it = known.find(n);
      ASSERT_EQ(static_cast<bool>(b.find(key_of(n))), it != known.end()) << "seed " << seed;
      if (it != known.end()) {
        ASSERT_EQ(b.table.deadline(b.find(key_of(n))).value, it->second.deadline);
        if (random() % 2 == 0) {
          b.table.erase(b.find(key_of(n)));
          known.erase(it);
        } else {
          b.remember(key_of(n), {i});
          it->second = {true, i};
        }
      } else {
        const AttemptTable::Home home = b.table.home(key_of(n));
        const auto place = b.table.place(home, random() % 8 == 0);
        // No pending one loses its slot but whoever is evicted.
        const Attempt loser = b.table[place.slot];
        b.table.put(place.slot, key_of(n), home).first_syn = seconds(i);
        b.table.set_deadline(place.slot, {i});
        std::erase_if(known, [&](const auto& entry) {
          if (b.find(key_of(entry.first))) return false;
          // A remembered one may also have given way to an attempt that was moved.
          const bool told = place.evicts && key_of(entry.first) == loser.key;
          EXPECT_EQ(told, !entry.second.remembered) << "lost without being told";
          return true;
        });
        known[n] = {false, i};
      }
      if (i % 16 == 0) {
        ASSERT_TRUE(b.table.consistent()) << "seed " << seed << ", step " << i;
      }
    }
    const auto remembered = static_cast<std::uint64_t>(std::count_if(
        known.begin(), known.end(), [](const auto& k) { return k.second.remembered; }));
    ASSERT_EQ(b.table.remembered(), remembered);
    ASSERT_EQ(b.table.pending(), known.size() - remembered);
  }
}

TEST(AttemptTable, SweepFindsEachSlotThatIsDueOnce) {
  Bench b(300);
  for (std::uint32_t n = 0; n < 300; ++n) {
    b.put(key_of(n));
    b.table.set_deadline(b.find(key_of(n)), {(Tick::kMask - 149U + n) & Tick::kMask});
  }
  std::multiset<std::uint32_t> due;
  const std::size_t half = b.table.group_count() / 2;
  const auto note = [&](Slot slot) {
    due.insert(b.table.deadline(slot).value);
    b.table.erase(slot);
  };
  b.table.sweep(0, half, {49}, note);
  b.table.sweep(half, b.table.group_count() - half, {49}, note);
  EXPECT_EQ(due.size(), 200U) << "150 before the wrap, 50 after it";
  for (std::uint32_t n = 0; n < 200; ++n)
    EXPECT_EQ(due.count((Tick::kMask - 149U + n) & Tick::kMask), 1U);
  EXPECT_EQ(b.table.pending(), 100U);
  b.table.sweep(0, b.table.group_count(), {49}, [](Slot) { FAIL() << "not due"; });
  b.table.sweep(0, 0, {1000}, [](Slot) { FAIL() << "no group was asked for"; });
  EXPECT_TRUE(b.table.consistent());
}

TEST(AttemptTable, TellsItsMemoryBeforehand) {
  for (const std::uint64_t capacity : {1U, 10U, 1000U, 123'456U}) {
    const AttemptTable table(capacity, secret_of(1));
    EXPECT_EQ(AttemptTable::memory_for(capacity), table.memory_bytes());
  }
  EXPECT_LE(AttemptTable::memory_for(1'000'000), 96'000'000U) << "96 bytes an attempt at most";
}

TEST(AttemptTable, ConsistentNoticesLies) {
  Bench b(18);
  const Slot slot = b.put(key_of(1)).slot;
  ASSERT_TRUE(b.table.consistent());
  b.table[slot].handshake.phase = Phase::failed;
  EXPECT_FALSE(b.table.consistent()) << "an outcome, but not remembered";
  b.table[slot].handshake.phase = Phase::answered;
  ASSERT_TRUE(b.table.consistent());
  b.table[slot].key = key_of(2);
  EXPECT_FALSE(b.table.consistent()) << "a key that cannot be found";
}

}  // namespace
}  // namespace tcpeek::flowtable::test
