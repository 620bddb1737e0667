// When pages take memory, and that they keep what they hold.
#include "flowtable/page_array.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "flowtable/table.h"
#include "flowtable/written_groups.h"
#include "tests/flowtable/table_support.h"

namespace tcpeek::flowtable {
namespace {

using Bytes = PageArray<std::uint8_t>;
constexpr std::size_t kMib = std::size_t{1} << 20;

// Pages of memory that it takes.
std::size_t resident(const void* memory, std::size_t bytes) {
  std::vector<unsigned char> in_memory((bytes + 4095) / 4096);
  EXPECT_EQ(::mincore(const_cast<void*>(memory), bytes, in_memory.data()), 0);
  std::size_t pages = 0;
  for (const unsigned char page : in_memory) pages += page & 1U;
  return pages;
}

TEST(PageArrayTest, UntouchedPagesTakeNothing) {
  Bytes bytes(8 * kMib, Bytes::Untouched());
  EXPECT_EQ(resident(&bytes[0], bytes.size()), 0U);
  bytes[5 * kMib] = 1;
  EXPECT_EQ(resident(&bytes[0], bytes.size()), 1U) << "no huge page";
  EXPECT_FALSE(bytes.taken());
}

TEST(PageArrayTest, AllAtOnce) {
  Bytes bytes(5 * kMib + 12345);
  EXPECT_TRUE(bytes.taken());
  EXPECT_EQ(resident(&bytes[0], bytes.size()), (bytes.size() + 4095) / 4096);
}

TEST(PageArrayTest, StepByStepAndNothingIsLost) {
  Bytes bytes(9 * kMib + 1, Bytes::Untouched());
  for (std::size_t at = 0; at < bytes.size(); at += 10'007)
    bytes[at] = static_cast<std::uint8_t>(at % 251);
  unsigned steps = 1;
  while (bytes.take_more()) ++steps;
  EXPECT_EQ(steps, 19U) << "half a megabyte each, and what is left";
  EXPECT_TRUE(bytes.taken());
  EXPECT_FALSE(bytes.take_more());
  EXPECT_EQ(resident(&bytes[0], bytes.size()), (bytes.size() + 4095) / 4096);
  for (std::size_t at = 0; at < bytes.size(); at += 10'007) ASSERT_EQ(bytes[at], at % 251) << at;
}

TEST(PageArrayTest, OnlyWholePagesAreGivenBack) {
  Bytes bytes(kMib, Bytes::Untouched());
  for (std::size_t at = 0; at < bytes.size(); ++at) bytes[at] = 7;
  bytes.give_back(4095, 3 * 4096 + 1);
  EXPECT_EQ(bytes[4095], 7) << "shares its page";
  EXPECT_EQ(bytes[4096], 0);
  EXPECT_EQ(bytes[3 * 4096 - 1], 0);
  EXPECT_EQ(bytes[3 * 4096], 7);
  bytes.give_back(10, 10);
  bytes.give_back(5000, 8191);
  EXPECT_EQ(bytes[3 * 4096 + 1], 7);
}

constexpr std::uint64_t kCapacity = 100'000;

// Attempts come and go; pages of groups that are empty are given back meanwhile, and at last all is taken.
TEST(TableMemoryTest, ATableThatGrowsIsTheSameTable) {
  AttemptTable table(kCapacity, test::secret_of(3), TableMemory::grows);
  EXPECT_FALSE(table.memory_taken());
  const auto put = [&](std::uint32_t n) {
    const FlowKey key = test::key_of(n);
    const AttemptTable::Home home = table.home(key);
    table.put(table.place(home, false).slot, key, home);
  };
  const auto find = [&](std::uint32_t n) {
    return table.find(test::key_of(n), table.home(test::key_of(n)));
  };
  constexpr std::uint32_t kKept = 300;
  for (std::uint32_t n = 0; n < 20'000; ++n) put(n);
  for (std::uint32_t n = kKept; n < 20'000; ++n) table.erase(find(n));
  for (std::size_t g = 0; g < table.group_count(); g += 512) table.give_back_memory(g, 512);
  ASSERT_TRUE(table.consistent());
  for (std::uint32_t n = 0; n < kKept; ++n) ASSERT_TRUE(find(n)) << n;
  EXPECT_EQ(table.pending(), kKept);

  // Up to the brim, so that keys are guests elsewhere; then all but some are gone again.
  for (std::uint32_t n = 20'000; n < 20'000 + kCapacity - kKept; ++n) put(n);
  while (table.take_memory()) {
  }
  EXPECT_TRUE(table.memory_taken());
  ASSERT_TRUE(table.consistent());
  EXPECT_EQ(table.pending(), kCapacity);
  for (std::uint32_t n = 0; n < kKept; ++n) ASSERT_TRUE(find(n)) << n;
}

TEST(TableMemoryTest, GroupsWhoseKeysAreElsewhereAreKept) {
  AttemptTable table(5'000, test::secret_of(4), TableMemory::grows);
  std::vector<std::uint32_t> kept;
  for (std::uint32_t n = 0; n < 5'000; ++n) {
    const FlowKey key = test::key_of(n);
    const AttemptTable::Home home = table.home(key);
    const AttemptTable::Place place = table.place(home, false);
    if (place.evicts) continue;
    table.put(place.slot, key, home);
    if (place.slot.group() != home.group) kept.push_back(n);
  }
  ASSERT_FALSE(kept.empty());
  for (std::uint32_t n = 0; n < 5'000; ++n) {
    const Slot slot = table.find(test::key_of(n), table.home(test::key_of(n)));
    if (slot && slot.group() == table.home(test::key_of(n)).group) table.erase(slot);
  }
  table.give_back_memory(0, table.group_count());
  EXPECT_TRUE(table.consistent());
  for (const std::uint32_t n : kept) {
    EXPECT_TRUE(table.find(test::key_of(n), table.home(test::key_of(n)))) << n;
  }
}

TEST(WrittenGroupsTest, OnlyMarkedOnesAreGoneOver) {
  WrittenGroups written(20);
  const auto gone_over = [&](std::size_t start, std::size_t end) {
    std::vector<std::size_t> groups;
    written.for_each_marked(start, end, [&](std::size_t first, std::size_t next) {
      for (std::size_t g = first; g < next; ++g) groups.push_back(g);
    });
    return groups;
  };
  EXPECT_TRUE(gone_over(0, 20).empty());
  written.mark(9);
  written.mark(19);
  EXPECT_EQ(gone_over(0, 20),
            (std::vector<std::size_t>{8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}));
  EXPECT_EQ(gone_over(10, 12), (std::vector<std::size_t>{10, 11}));
  EXPECT_EQ(gone_over(15, 17), (std::vector<std::size_t>{15, 16}));
  EXPECT_TRUE(gone_over(3, 8).empty());
  written.unmark(12);
  EXPECT_EQ(gone_over(0, 20), (std::vector<std::size_t>{16, 17, 18, 19}));
}

// Going over a table takes no memory, whatever the kernel does when an unwritten page is read.
TEST(TableMemoryTest, ASweepTakesNoMemory) {
  AttemptTable table(1'000'000, test::secret_of(5), TableMemory::grows);
  const FlowKey key = test::key_of(1);
  const AttemptTable::Home home = table.home(key);
  const Slot slot = table.place(home, false).slot;
  table.put(slot, key, home);
  table.set_deadline(slot, Tick{5});
  std::size_t due = 0;
  table.sweep(0, table.group_count(), Tick{6}, [&](Slot) { ++due; });
  table.for_each_pending(0, table.group_count(), [&](Slot) { ++due; });
  EXPECT_EQ(due, 2U);
  const auto first = reinterpret_cast<std::uintptr_t>(&table[Slot{0, 0}]) / 4096 * 4096;
  const auto last_group = static_cast<std::uint32_t>(table.group_count() - 1);
  const auto last = reinterpret_cast<std::uintptr_t>(&table[Slot{last_group, 0}]);
  EXPECT_LE(resident(reinterpret_cast<const void*>(first), last - first), 4U);
}

}  // namespace
}  // namespace tcpeek::flowtable
