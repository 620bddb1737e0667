// The headers of tunnels, each with its own rules: ports, flags, versions, lengths.

#include "tests/flowtable/tunnel_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using namespace tcpeek::test;

TEST(TunnelHeaders, PortsAsGiven) {
  Look look = all();
  look.tunnels.vxlan_ports = {4790, 0};
  look.tunnels.geneve_port = 7000;
  for (unsigned port = 0; port < 65'536; port += port == 4788 || port == 4789 ? 1 : 7) {
    const auto p = static_cast<std::uint16_t>(port);
    const auto what = outcome(carried(outer(false), vxlan(frame_of_ip(syn()), p)), look);
    ASSERT_EQ(what, p == 4790 ? "segment" : "not_tcp") << p;
  }
  EXPECT_EQ(outcome_of(geneve(0x0800, syn().network()), look), "not_tcp");
  EXPECT_EQ(outcome_of(geneve(0x0800, syn().network(), 0, 7000), look), "segment");
  // Where a packet comes from says nothing.
  Octets from = vxlan(frame_of_ip(syn())).payload;
  set16(from, 0, 4789);
  set16(from, 2, 53);
  EXPECT_EQ(outcome_of({17, from}), "not_tcp");
}

TEST(TunnelHeaders, LengthsOfUdp) {
  const Octets datagram = joined(vxlan_header(), frame_of_ip(syn()));
  const std::size_t headers = 8 + 8 + 14 + 20;
  for (std::size_t told = 0; told < 200; ++told) {
    const Decoded d = decode_packet(carried(outer(false), udp(4789, datagram, told)), all());
    const bool lies = told != 0 && told < 16;
    const bool enough = told == 0 || told >= headers + 14;
    ASSERT_EQ(d.what, lies ? "not_tcp" : enough ? "segment" : "truncated") << told;
  }
  EXPECT_EQ(outcome_of(udp(4789, datagram, 0xffff)), "segment");
}

TEST(TunnelHeaders, FlagsOfVxlan) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    const bool gpe = (flags & 4U) != 0;
    for (unsigned next = 0; next < 256; next += next < 8 ? 1 : 31) {
      const Octets header =
          vxlan_header(static_cast<std::uint8_t>(flags), static_cast<std::uint8_t>(next));
      const bool ethernet = !gpe || next == 3;
      const Octets inside = ethernet ? frame_of_ip(syn(next == 2)) : syn(next == 2).network();
      const bool known = !gpe || (next >= 1 && next <= 3);
      ASSERT_EQ(outcome_of(udp(4789, joined(header, inside))),
                (flags & 8U) != 0 && known ? "segment" : "not_tcp")
          << flags << ' ' << next;
    }
  }
}

TEST(TunnelHeaders, GeneveOptionsVersionsAndControl) {
  for (std::size_t options = 0; options <= 252; options += 4) {
    EXPECT_EQ(outcome_of(geneve(0x0800, syn().network(), options)), "segment") << options;
  }
  for (unsigned flags = 0; flags < 256; ++flags) {
    const Octets header = geneve_header(0x6558, 0, static_cast<std::uint8_t>(flags));
    EXPECT_EQ(outcome_of(udp(6081, joined(header, frame_of_ip(syn())))),
              (flags & 0x80U) == 0 ? "segment" : "not_tcp");
  }
  for (unsigned version = 1; version < 4; ++version) {
    Octets header = geneve_header(0x0800);
    header[0] = static_cast<std::byte>(version << 6);
    EXPECT_EQ(outcome_of(udp(6081, joined(header, syn().network()))), "not_tcp");
  }
  // Options that reach beyond the packet.
  Octets lying = geneve_header(0x0800);
  lying[0] = std::byte{0x3f};
  EXPECT_EQ(outcome_of(udp(6081, joined(lying, syn().network()))), "not_tcp");
  EXPECT_EQ(outcome_of(geneve(0x0806, syn().network())), "not_ip");
}

TEST(TunnelHeaders, FlagsOfGre) {
  for (unsigned flags = 0; flags < 0x10000; flags += 1U + (flags > 16 ? 0x0fU : 0U)) {
    const bool version_0 = (flags & 7U) == 0;
    const bool routing = (flags & 0x4000U) != 0;
    ASSERT_EQ(outcome_of(gre(0x0800, syn().network(), flags)),
              version_0 && !routing ? "segment" : "not_tcp")
        << flags;
  }
  EXPECT_EQ(outcome_of(gre(0x0806, syn().network())), "not_ip");
  EXPECT_EQ(outcome_of(gre(0x86dd, syn().network())), "bad_ip_header");
}

TEST(TunnelHeaders, VersionsAndTypesOfErspan) {
  for (std::uint8_t version = 0; version < 16; ++version) {
    EXPECT_EQ(outcome_of({47, joined(erspan_ii_header(version), frame_of_ip(syn()))}),
              version == 1 ? "segment" : "not_tcp");
    EXPECT_EQ(outcome_of({47, joined(erspan_iii_header(0, false, version), frame_of_ip(syn()))}),
              version == 2 ? "segment" : "not_tcp");
  }
  for (std::uint8_t type = 0; type < 32; ++type) {
    const Octets inside = type == 2 ? syn(true).network() : frame_of_ip(syn(true));
    EXPECT_EQ(outcome_of(erspan_iii(inside, type)), type == 0 || type == 2 ? "segment" : "not_tcp");
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
