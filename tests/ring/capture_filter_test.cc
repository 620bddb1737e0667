// The description of what is captured, as an expression.
#include "ring/capture_filter.h"

#include <gtest/gtest.h>

namespace tcpeek::ring {
namespace {

TEST(CaptureFilterTest, ExpressionForPeopleHoldsTheNarrowing) {
  CaptureFilter filter;
  const std::string ours = capture_expression(filter);
  filter.narrowed_by = "port 80";
  EXPECT_NE(capture_expression(filter), ours);
  EXPECT_NE(capture_expression(filter).find("(port 80)"), std::string::npos);
  EXPECT_NE(capture_expression(filter).find(ours), std::string::npos);
}

}  // namespace
}  // namespace tcpeek::ring
