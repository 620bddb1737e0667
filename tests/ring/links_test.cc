// What is decided from links that are plain data.
#include "ring/links.h"

#include <gtest/gtest.h>
#include <linux/if_arp.h>

#include <cstring>

namespace tcpeek::ring {
namespace {

TEST(LinksTest, OnlyEthernetLikeDevicesAreReadWithTheirHeader) {
  const auto access = [](int type) {
    Link link;
    link.hardware_type = static_cast<std::uint16_t>(type);
    return access_for(link);
  };
  EXPECT_EQ(access(ARPHRD_ETHER), Access::link_layer);
  EXPECT_EQ(access(ARPHRD_LOOPBACK), Access::link_layer);
  for (const int type : {ARPHRD_NONE, ARPHRD_PPP, ARPHRD_TUNNEL, ARPHRD_TUNNEL6, ARPHRD_SIT,
                         ARPHRD_IPGRE, ARPHRD_INFINIBAND, ARPHRD_IEEE80211_RADIOTAP, 0}) {
    EXPECT_EQ(access(type), Access::network_layer) << type;
  }
}

TEST(LinksTest, EachAccessHasANameOfItsOwn) {
  EXPECT_STREQ(link_type_name(Access::link_layer), "EN10MB");
  EXPECT_STRNE(link_type_name(Access::network_layer), "EN10MB");
  EXPECT_STRNE(link_type_description(Access::link_layer),
               link_type_description(Access::network_layer));
}

TEST(LinksTest, FindIsByTheWholeName) {
  LinkState state;
  EXPECT_EQ(state.find("eth0"), nullptr);
  for (const char* name : {"eth0", "eth01"}) {
    Link link;
    link.name = name;
    state.links.push_back(link);
  }
  EXPECT_EQ(state.find("eth01"), &state.links[1]);
  EXPECT_EQ(state.find("eth"), nullptr);
}

}  // namespace
}  // namespace tcpeek::ring
