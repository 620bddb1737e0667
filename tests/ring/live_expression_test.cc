// Expressions that libpcap compiles and no live packet can match.
#include <gtest/gtest.h>

#include "ring/capture_program.h"

namespace tcpeek::ring {
namespace {

class LiveExpressionTest : public testing::TestWithParam<Access> {
 protected:
  static void compile(const char* expression) {
    CaptureFilter filter;
    filter.narrowed_by = expression;
    static_cast<void>(capture_program(filter, GetParam(), 0));
  }
};

INSTANTIATE_TEST_SUITE_P(Layers, LiveExpressionTest,
                         testing::Values(Access::link_layer, Access::network_layer),
                         [](const auto& access) {
                           return access.param == Access::link_layer ? "Link" : "Network";
                         });

// The kernel takes the tag out of a packet before it is filtered.
TEST_P(LiveExpressionTest, TagsThatNoPacketHasAreRefused) {
  for (const char* tags : {"vlan", "vlan 10", "not vlan", "tcp port 80 and(vlan 10)", "!vlan&&tcp",
                           "vlan 10 and vlan 20", "tcp or\tvlan\nand ip6"}) {
    EXPECT_THROW(compile(tags), FilterNotLive) << tags;
  }
}

TEST_P(LiveExpressionTest, OnlyTheWordVlanNamesTags) {
  for (const char* other : {"host vlan.example.invalid", "host my-vlan", "host \\vlan", "VLAN",
                            "host vlan10", "host vlan_a", "port 80", "host 1.2.3.vlan"}) {
    try {
      compile(other);
    } catch (const FilterSyntaxError&) {  // as no such host is known
    } catch (const FilterNotLive& e) {
      ADD_FAILURE() << other << ": " << e.what();
    }
  }
}

}  // namespace
}  // namespace tcpeek::ring
