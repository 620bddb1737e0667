// The flow table: how much it holds, what it finds, what its sweep sees.

#include "flowtable/table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <system_error>
#include <vector>

#include "tests/flowtable/table_support.h"

namespace tcpeek::flowtable::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr bool kThorough = false;
#else
constexpr bool kThorough = true;
#endif

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

// A full table where attempts begin and end.
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

TEST(AttemptTable, PutWritesAnAttemptAnew) {
  Bench b(1);
  const Slot slot = b.put(key_of(1)).slot;
  b.table[slot].tag = 77;
  b.table.note(slot) = 88;
  b.answer(key_of(1));
  b.remember(key_of(1), {9});
  b.table.put(slot, key_of(2), b.table.home(key_of(2)));
  EXPECT_FALSE(b.find(key_of(1)));
  ASSERT_EQ(b.find(key_of(2)), slot);
  EXPECT_EQ(b.table[slot].tag, 0U);
  EXPECT_EQ(b.table.note(slot), 0U);
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
    std::uint16_t note = 0;
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
        ASSERT_EQ(b.table.note(b.find(key_of(n))), it->second.note) << "seed " << seed;
        if (random() % 2 == 0) {
          b.table.erase(b.find(key_of(n)));
          known.erase(it);
        } else {
          b.remember(key_of(n), {i});
          it->second.remembered = true;
          it->second.deadline = i;
        }
      } else {
        const AttemptTable::Home home = b.table.home(key_of(n));
        const auto place = b.table.place(home, random() % 8 == 0);
        // No pending one loses its slot but the one evicted.
        const Attempt loser = b.table[place.slot];
        b.table.put(place.slot, key_of(n), home).first_syn = seconds(i);
        b.table.set_deadline(place.slot, {i});
        ASSERT_EQ(b.table.note(place.slot), 0U);
        b.table.note(place.slot) = static_cast<std::uint16_t>(i + 1);
        std::erase_if(known, [&](const auto& entry) {
          if (b.find(key_of(entry.first))) return false;
          // A remembered one may also have given way to an attempt that was moved.
          const bool told = place.evicts && key_of(entry.first) == loser.key;
          EXPECT_EQ(told, !entry.second.remembered) << "lost without being told";
          return true;
        });
        known[n] = {false, i, static_cast<std::uint16_t>(i + 1)};
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
