// How many spare sockets are opened; that they serve is shown by tests/faults/test_run_links.py.
#include "engine/capture.h"

#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

TEST(CaptureTest, ASingleReaderNeedsNoSpareGroups) {
  EXPECT_EQ(spare_groups(1, 1, 1024), 0U);
  EXPECT_EQ(spare_groups(1, 64, 1024), 0U);
}

TEST(CaptureTest, SpareGroupsTakeAQuarterOfTheDescriptorsAtMost) {
  EXPECT_EQ(spare_groups(2, 1, 1024), 8U);
  EXPECT_EQ(spare_groups(8, 1, 1024), 8U);
  EXPECT_EQ(spare_groups(8, 8, 1024), 4U);
  EXPECT_EQ(spare_groups(64, 8, 1024), 0U);
  EXPECT_EQ(spare_groups(64, 8, 524288), 8U);
  EXPECT_EQ(spare_groups(2, 1, 16), 2U);
  EXPECT_EQ(spare_groups(2, 1, 0), 0U);
  EXPECT_EQ(spare_groups(2, 0, 1024), 0U);
}

}  // namespace
}  // namespace tcpeek::engine
