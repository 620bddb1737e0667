// The table's coarse time.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

#include "flowtable/table.h"
#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {
namespace {

TEST(Tick, RoundsDeadlinesUpAndNowDown) {
  constexpr std::int64_t kNs = std::int64_t{1} << Tick::kShift;
  const auto at = [](std::int64_t ns) { return time_of(std::chrono::nanoseconds(ns)); };
  EXPECT_EQ(Tick::not_before(at(0)).value, 0U);
  EXPECT_EQ(Tick::not_before(at(1)).value, 1U);
  EXPECT_EQ(Tick::not_before(at(kNs)).value, 1U);
  EXPECT_EQ(Tick::at(at(kNs - 1)).value, 0U);
  EXPECT_EQ(Tick::at(at(kNs)).value, 1U);
  EXPECT_EQ(Tick::at(at(-1)).value, Tick::kMask);
  EXPECT_EQ(Tick::not_before(at(-1)).value, 0U);
  EXPECT_EQ(Tick::not_before(at(-kNs)).value, Tick::kMask);
  EXPECT_EQ(Tick::at(at(kNs << 31)).value, 0U) << "52 days later";
  EXPECT_EQ(Tick::not_before(at((kNs << 31) + 1)).value, 1U);
}

TEST(Tick, IsReachedModuloTwoToTheThirtyOne) {
  for (const std::uint32_t base : {0U, 1U, 0x3fffffffU, 0x40000000U, 0x7fffffffU}) {
    const auto later = [&](std::uint32_t ticks) { return Tick{(base + ticks) & Tick::kMask}; };
    EXPECT_TRUE(Tick{base}.reached_at(later(0)));
    EXPECT_TRUE(Tick{base}.reached_at(later(1)));
    EXPECT_FALSE(Tick{base}.reached_at(later(Tick::kMask)));
    EXPECT_TRUE(Tick{base}.reached_at(later(0x3fffffffU)));
    EXPECT_FALSE(Tick{base}.reached_at(later(0x40000000U)));
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::test
