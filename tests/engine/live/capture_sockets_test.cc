// How many spare sockets are opened; that they serve is shown by tests/faults/test_run_links.py.
#include "engine/live/capture_sockets.h"

#include <gtest/gtest.h>

#include <limits>

namespace tcpeek::engine {
namespace {

constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

TEST(CaptureSocketsTest, ASingleReaderNeedsNoSpareGroups) {
  EXPECT_EQ(spare_sockets(1, 1024), 2U);
  EXPECT_EQ(spare_sockets(1, kAny), 2U);
}

TEST(CaptureSocketsTest, EightSpareGroupsAndTwoSocketsAreEnough) {
  EXPECT_EQ(spare_sockets(2, 18), 18U);
  EXPECT_EQ(spare_sockets(2, kAny), 18U);
  EXPECT_EQ(spare_sockets(64, kAny), 514U);
}

TEST(CaptureSocketsTest, WhereThereIsLessRoomGroupsAreWhole) {
  EXPECT_EQ(spare_sockets(4, 33), 30U);
  EXPECT_EQ(spare_sockets(4, 6), 6U);
  EXPECT_EQ(spare_sockets(4, 5), 2U);
  for (std::size_t most = 0; most <= 2; ++most) EXPECT_EQ(spare_sockets(4, most), most);
}

}  // namespace
}  // namespace tcpeek::engine
