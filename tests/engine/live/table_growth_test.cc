// When a reader's table takes memory and gives it back.
#include "engine/live/table_growth.h"

#include <gtest/gtest.h>

#include "tests/engine/pipeline/counting_rig.h"
#include "tests/flowtable/table_support.h"

namespace tcpeek::engine {
namespace {

using flowtable::AttemptTable;
using flowtable::PacketTime;
using flowtable::TableMemory;
using namespace std::chrono_literals;

constexpr std::uint64_t kCapacity = 100'000;
constexpr PacketTime kStart{1'700'000'000s};

// As much of a tracker as growth needs, and what was done with it.
struct Table {
  AttemptTable table_{kCapacity, flowtable::test::secret_of(1), TableMemory::grows};
  unsigned steps = 0;
  std::size_t given_back = 0;  // groups

  [[nodiscard]] const AttemptTable& table() const noexcept { return table_; }
  bool take_memory() noexcept {
    ++steps;
    return table_.take_memory();
  }
  void give_back_memory(std::size_t start, std::size_t groups) noexcept {
    given_back += std::min(groups, table_.group_count() - start);
    table_.give_back_memory(start, groups);
  }
  void put(std::uint32_t n) {
    const auto key = flowtable::test::key_of(n);
    const auto home = table_.home(key);
    table_.put(table_.place(home, false).slot, key, home);
  }
  void erase(std::uint32_t n) {
    const auto key = flowtable::test::key_of(n);
    table_.erase(table_.find(key, table_.home(key)));
  }
};

TEST(TableGrowthTest, AnEmptyTableIsLeftAlone) {
  Table tracker;
  TableGrowth growth;
  for (int minute = 0; minute < 10; ++minute) {
    EXPECT_FALSE(growth.work(tracker, kStart + minute * 1min));
  }
  EXPECT_EQ(tracker.steps, 0U);
  EXPECT_EQ(tracker.given_back, 0U);
}

TEST(TableGrowthTest, FewAttemptsAreLookedOverOnceAMinute) {
  Table tracker;
  TableGrowth growth;
  for (std::uint32_t n = 0; n < 100; ++n) tracker.put(n);
  unsigned passes = 0;
  for (int second = 0; second < 300; ++second) {
    const std::size_t before = tracker.given_back;
    while (growth.work(tracker, kStart + second * 1s)) {
    }
    if (tracker.given_back != before) {
      ++passes;
      EXPECT_EQ(tracker.given_back - before, tracker.table().group_count());
    }
  }
  EXPECT_EQ(passes, 4U) << "a minute after the first, and so on";
  EXPECT_EQ(tracker.steps, 0U);
  EXPECT_EQ(tracker.table().pending(), 100U);
}

// A reader that is about to sleep for long does not keep pages for nothing.
TEST(TableGrowthTest, ATableThatHasBecomeEmptyIsLookedOverAtOnce) {
  Table tracker;
  TableGrowth growth;
  tracker.put(1);
  while (growth.work(tracker, kStart)) {
  }
  tracker.erase(1);
  tracker.given_back = 0;
  while (growth.work(tracker, kStart + 1s)) {
  }
  EXPECT_EQ(tracker.given_back, tracker.table().group_count());
  EXPECT_FALSE(growth.work(tracker, kStart + 2min));
  EXPECT_EQ(tracker.given_back, tracker.table().group_count()) << "and once is enough";
}

TEST(TableGrowthTest, TheMinuteBeginsWithTheFirstAttemptAfterAQuietTime) {
  Table tracker;
  TableGrowth growth;
  EXPECT_FALSE(growth.work(tracker, kStart));
  tracker.put(1);
  EXPECT_FALSE(growth.work(tracker, kStart + 10min));
  EXPECT_FALSE(growth.work(tracker, kStart + 10min + 59s));
  EXPECT_EQ(tracker.given_back, 0U);
  while (growth.work(tracker, kStart + 11min)) {
  }
  EXPECT_EQ(tracker.given_back, tracker.table().group_count());
}

TEST(TableGrowthTest, ManyAttemptsTakeAllOfItStepByStep) {
  Table tracker;
  TableGrowth growth;
  for (std::uint32_t n = 0; n < 1'200; ++n) tracker.put(n);
  EXPECT_TRUE(growth.work(tracker, kStart));
  for (std::uint32_t n = 0; n < 1'200; ++n) tracker.erase(n);
  while (growth.work(tracker, kStart)) {
  }
  EXPECT_TRUE(tracker.table().memory_taken()) << "though they are gone: who was flooded once";
  EXPECT_GE(tracker.steps, 5U);
  EXPECT_EQ(tracker.given_back, 0U);
}

}  // namespace
}  // namespace tcpeek::engine
