// Sums and the members derived from the tallies.
#include "ipc/snapshot.h"

#include <gtest/gtest.h>

namespace tcpeek::ipc {
namespace {

TEST(Counts, AddUpInEveryTallyAndInTheHistogram) {
  Counts a;
  Counts b;
  for (std::size_t i = 0; i < kTallies; ++i) {
    a.values[i] = i;
    b.values[i] = 1000 * i;
  }
  a.latency.add(std::chrono::microseconds{10});
  b.latency.add(std::chrono::microseconds{20});
  a += b;
  for (std::size_t i = 0; i < kTallies; ++i) EXPECT_EQ(a.values[i], 1001 * i);
  EXPECT_EQ(a.latency.count(), 2U);
  EXPECT_EQ(a.latency.sum_us(), 30U);
}

TEST(Counts, TheIdentityHasEachOutcomeOnce) {
  // A power of two each, so that a missing or doubled term shows.
  Counts counts;
  counts[Tally::pending] = 1;
  counts[Tally::success] = 2;
  counts[Tally::refused] = 4;
  counts[Tally::aborted] = 8;
  counts[Tally::timed_out_no_answer] = 16;
  counts[Tally::timed_out_no_ack] = 32;
  counts[Tally::unreachable] = 64;
  counts[Tally::evicted] = 128;
  counts[Tally::uncertain] = 1 << 20;
  counts[Tally::half_seen] = 1 << 21;
  counts[Tally::late_proof] = 1 << 22;
  counts[Tally::late_synack] = 1 << 23;
  EXPECT_EQ(counts.rejected(), 12U);
  EXPECT_EQ(counts.timed_out(), 48U);
  EXPECT_EQ(counts.failures(), 124U);
  EXPECT_EQ(counts.accounted(), 255U);
}

TEST(PacketStats, IgnoredIsTheSumOfItsReasons) {
  PacketStats packets;
  EXPECT_EQ(packets.ignored_total(), 0U);
  packets.ignored = {{"a", 1}, {"b", 2}, {"c", std::uint64_t{1} << 40}};
  EXPECT_EQ(packets.ignored_total(), (std::uint64_t{1} << 40) + 3);
}

}  // namespace
}  // namespace tcpeek::ipc
