// Losses between two snapshots.
#include "engine/serve/gap_finder.h"

#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

using ipc::GapReason;

ipc::Snapshot snapshot(std::uint64_t dropped, std::uint64_t mail, std::uint64_t outcomes) {
  ipc::Snapshot s;
  s.packets.dropped = dropped;
  s.packets.ignored = {{"late_syn", 1000 + dropped}, {"mailbox_full", mail}};
  s.readers.resize(2);
  s.readers[1].events_lost = outcomes;
  return s;
}

TEST(GapFinder, TellsWhatIsNew) {
  GapFinder finder;
  EXPECT_TRUE(finder.on_second(snapshot(0, 0, 0)).empty());
  const auto first = finder.on_second(snapshot(2, 3, 0));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].reason, GapReason::capture);
  EXPECT_EQ(first[0].count, 5U);
  EXPECT_TRUE(finder.on_second(snapshot(2, 3, 0)).empty());
  const auto both = finder.on_second(snapshot(2, 4, 7));
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].count, 1U);
  EXPECT_EQ(both[1].reason, GapReason::queue_full);
  EXPECT_EQ(both[1].count, 7U);
  EXPECT_TRUE(finder.on_second(snapshot(0, 0, 0)).empty()) << "counts that fell lose nothing";
}

}  // namespace
}  // namespace tcpeek::engine
