// The numbers of link types, as tcpdump.org/linktypes.html lists them.

#include "engine/replay/link_types.h"

#include <gtest/gtest.h>

#include <map>

namespace tcpeek::engine {
namespace {

using flowtable::LinkFraming;

TEST(LinkTypes, ThoseThatAreDecodedAndNoOthers) {
  const std::map<unsigned, LinkFraming> known{
      {0, LinkFraming::family},   {1, LinkFraming::ethernet},   {12, LinkFraming::raw_ip},
      {14, LinkFraming::raw_ip},  {101, LinkFraming::raw_ip},   {108, LinkFraming::family},
      {113, LinkFraming::cooked}, {228, LinkFraming::raw_ip},   {229, LinkFraming::raw_ip},
      {239, LinkFraming::nflog},  {276, LinkFraming::cooked_v2}};
  for (unsigned number = 0; number <= 0xffff; ++number) {
    const auto expected = known.find(number);
    const auto link = link_of(static_cast<std::uint16_t>(number));
    ASSERT_EQ(link.has_value(), expected != known.end()) << number;
    if (link) {
      EXPECT_EQ(*link, expected->second) << number;
    }
  }
}

TEST(LinkTypes, KnownOnesAreCalledByTheirName) {
  EXPECT_EQ(describe_link_type(1), "EN10MB (Ethernet)");
  EXPECT_EQ(describe_link_type(113), "LINUX_SLL (Linux cooked v1)");
  EXPECT_EQ(describe_link_type(276), "LINUX_SLL2 (Linux cooked v2)");
  EXPECT_EQ(describe_link_type(0), "NULL (BSD loopback)");
  EXPECT_EQ(describe_link_type(239), "NFLOG (netfilter log)");
}

TEST(LinkTypes, OthersAreCalledByTheirNumber) {
  EXPECT_EQ(describe_link_type(127), "127 (IEEE802_11_RADIO)");
  EXPECT_EQ(describe_link_type(105), "105 (IEEE802_11)");
  EXPECT_EQ(describe_link_type(2), "2");
  EXPECT_EQ(describe_link_type(65'535), "65535");
  for (unsigned number = 0; number <= 0xffff; ++number) {
    const auto type = static_cast<std::uint16_t>(number);
    if (!link_of(type)) {
      EXPECT_TRUE(describe_link_type(type).starts_with(std::to_string(number))) << number;
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
