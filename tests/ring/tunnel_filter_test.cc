// What the kernel filter lets through of tunnels: each kind over IPv4 and IPv6 and what is inside, at the
// link and at the network layer, narrowed or not.
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ring/capture_program.h"
#include "tests/support/bpf_machine.h"
#include "tests/support/ends.h"
#include "tests/support/kernel_view.h"
#include "tests/support/tunnel_headers.h"

namespace tcpeek::ring {
namespace {

using namespace tcpeek::test;
namespace bit = test::tcp_bit;

const End kA4{"192.0.2.1", 40000}, kB4{"198.51.100.2", 80};
const End kA6{"2001:db8::1", 40000}, kB6{"2001:db8:1::2", 80};

constexpr std::string_view kKinds[] = {"vxlan", "geneve", "gre", "ipip"};

std::string_view kind_of(std::string_view name) {
  for (const std::string_view kind : kKinds) {
    if (name.starts_with(kind)) return kind;
  }
  return "gre";  // ERSPAN
}

// Looks into this kind alone, or into all of them, or none.
CaptureFilter filter_for(std::string_view kind, CaptureScope scope = CaptureScope::handshake) {
  CaptureFilter filter;
  filter.scope = scope;
  filter.tunnels.vxlan = kind == "vxlan" || kind == "all";
  filter.tunnels.geneve = kind == "geneve" || kind == "all";
  filter.tunnels.gre = kind == "gre" || kind == "all";
  filter.tunnels.ipip = kind == "ipip" || kind == "all";
  return filter;
}

PacketBuilder outer(bool v6) {
  return v6 ? PacketBuilder().ip("2001:db8:f::1", "2001:db8:f::2")
            : PacketBuilder().ip("203.0.113.1", "203.0.113.2");
}

// The same in every place that a packet is looked at.
bool passes(const CaptureFilter& filter, const PacketBuilder& packet) {
  const auto link = capture_program(filter, Access::link_layer, 0);
  const auto network = capture_program(filter, Access::network_layer, 0);
  std::vector<bool> verdicts;
  for (std::size_t tags = 0; tags <= 2; ++tags) {
    PacketBuilder framed = packet;
    framed.ethernet();
    for (std::size_t i = 0; i < tags; ++i) framed.vlan(0x8100, 7);
    verdicts.push_back(run_bpf(link, all_in_bytes(framed.parts())) != 0);
    for (const Way way : {Way::received, Way::sent}) {
      // With a tag in its bytes, a packet sent is shown from its IP header on.
      if (tags == 2 && way == Way::sent) continue;
      verdicts.push_back(run_bpf(network, for_datagram_socket(framed.parts(), way)) != 0);
    }
  }
  for (const bool verdict : verdicts) EXPECT_EQ(verdict, verdicts.front());
  return verdicts.front();
}

template <class Check>
void for_each_tunnel(const PacketBuilder& inner, Check check) {
  for (const bool v6 : {false, true}) {
    for (const auto& [name, what] : every_tunnel(inner)) {
      SCOPED_TRACE(name + (v6 ? " over IPv6" : " over IPv4"));
      check(name, carried(outer(v6), what));
    }
  }
}

// What may be of any kind of tunnel: VXLAN-GPE and ERSPAN of IP pass whole.
bool not_judged(std::string_view name) {
  return name.starts_with("vxlan-gpe") || name == "erspan III of IP";
}

TEST(TunnelFilterTest, HandshakesInside) {
  for (const bool v6 : {false, true}) {
    const End& a = v6 ? kA6 : kA4;
    const End& b = v6 ? kB6 : kB4;
    const PacketBuilder wanted[] = {
        segment(a, b, bit::syn).data(100), segment(b, a, bit::syn | bit::ack).tcp_options(20),
        segment(a, b, bit::ack).tcp_options(12), segment(b, a, bit::rst),
        segment(b, a, bit::fin | bit::ack).data(5)};
    for (const PacketBuilder& inner : wanted) {
      for_each_tunnel(inner, [](std::string_view name, const PacketBuilder& packet) {
        EXPECT_TRUE(passes(filter_for("all"), packet));
        EXPECT_TRUE(passes(filter_for(kind_of(name)), packet));
      });
    }
  }
}

TEST(TunnelFilterTest, DataInsideIsKeptOut) {
  for (const bool v6 : {false, true}) {
    const PacketBuilder data =
        segment(v6 ? kA6 : kA4, v6 ? kB6 : kB4, bit::ack).tcp_options(12).data(1);
    for_each_tunnel(data, [](std::string_view name, const PacketBuilder& packet) {
      EXPECT_EQ(passes(filter_for("all"), packet), not_judged(name));
      EXPECT_TRUE(passes(filter_for("all", CaptureScope::tcp), packet));
      EXPECT_FALSE(passes(filter_for("none", CaptureScope::tcp), packet));
    });
  }
}

// Of tunnels that are not looked into: enough to say that there is TCP in them.
TEST(TunnelFilterTest, OfOtherTunnelsSynsAlone) {
  for_each_tunnel(segment(kA4, kB4, bit::syn), [](std::string_view name, const auto& packet) {
    for (const std::string_view kind : {"none", "vxlan", "geneve", "gre", "ipip"}) {
      if (kind != kind_of(name)) {
        EXPECT_EQ(passes(filter_for(kind), packet), !not_judged(name));
      }
    }
  });
  for (const unsigned flags :
       {unsigned{bit::syn} | bit::ack, unsigned{bit::ack}, unsigned{bit::rst}}) {
    for_each_tunnel(segment(kA4, kB4, static_cast<std::uint8_t>(flags)), [](std::string_view name,
                                                                            const auto& packet) {
      for (const std::string_view kind : {"none", "vxlan", "geneve", "gre", "ipip"}) {
        if (kind != kind_of(name)) {
          EXPECT_FALSE(passes(filter_for(kind), packet)) << kind;
        }
      }
    });
  }
}

TEST(TunnelFilterTest, ErrorsInsideWhereIcmpIsAskedFor) {
  for (const bool v6 : {false, true}) {
    const PacketBuilder about = segment(v6 ? kA6 : kA4, v6 ? kB6 : kB4, bit::syn);
    for (unsigned type = 0; type < 20; ++type) {
      for (const auto code : std::initializer_list<std::uint8_t>{0, 4}) {
        const PacketBuilder error = icmp_error(v6 ? kB6 : kB4, v6 ? kA6 : kA4,
                                               static_cast<std::uint8_t>(type), code, about);
        const bool ends = v6 ? type == 1 || type == 3 || type == 4
                             : (type == 3 && code != 4) || type == 11 || type == 12;
        for_each_tunnel(error, [&](std::string_view name, const PacketBuilder& packet) {
          CaptureFilter filter = filter_for("all");
          EXPECT_EQ(passes(filter, packet), not_judged(name));
          filter.icmp = true;
          EXPECT_EQ(passes(filter, packet), ends || not_judged(name)) << type;
        });
      }
    }
  }
}

TEST(TunnelFilterTest, WhatIsDeeperOrHardToJudgePassesWhole) {
  const PacketBuilder data = segment(kA4, kB4, bit::ack).data(100);
  const PacketBuilder data_v6 = segment(kA6, kB6, bit::ack).data(100);
  const PacketBuilder inner[] = {carried(outer(false), vxlan(frame_of_ip(data))),
                                 carried(outer(true), geneve(0x6558, frame_of_ip(data))),
                                 carried(outer(false), gre(0x0800, data.network())),
                                 carried(outer(true), ip_in_ip(data)),
                                 PacketBuilder(data_v6).extension(60),
                                 PacketBuilder(data).extension(51, 24)};
  for (const PacketBuilder& packet : inner) {
    for_each_tunnel(packet, [](auto, const PacketBuilder& whole) {
      EXPECT_TRUE(passes(filter_for("all"), whole));
    });
  }
  PacketBuilder tagged = PacketBuilder(data).ethernet().vlan(0x8100, 1).vlan(0x88a8, 2);
  const auto in_vxlan = [](const PacketBuilder& p) {
    return passes(filter_for("all"), carried(outer(false), vxlan(p.build())));
  };
  EXPECT_FALSE(in_vxlan(tagged));
  EXPECT_TRUE(in_vxlan(PacketBuilder(tagged).flags(bit::syn)));
  EXPECT_TRUE(in_vxlan(tagged.vlan(0x8100, 3)));
  for (const auto type :
       std::initializer_list<std::uint16_t>{0x8847, 0x8848, 0x8864, 0x8926, 0x893f, 0x0040}) {
    EXPECT_TRUE(in_vxlan(PacketBuilder(data).ethernet().ethertype(type))) << type;
  }
  EXPECT_FALSE(in_vxlan(PacketBuilder(data).ethernet().ethertype(0x0806)));
}

TEST(TunnelFilterTest, HeadersOfTheOuterPacket) {
  const Carried what = vxlan(frame_of_ip(segment(kA4, kB4, bit::syn)));
  const Carried data = vxlan(frame_of_ip(segment(kA4, kB4, bit::ack).data(9)));
  const CaptureFilter filter = filter_for("vxlan");
  EXPECT_TRUE(passes(filter, carried(outer(false).ip_options(8), what)));
  EXPECT_FALSE(passes(filter, carried(outer(false).ip_options(8), data)));
  EXPECT_TRUE(passes(filter, carried(outer(false).fragment(0, true), what)));
  EXPECT_FALSE(passes(filter, carried(outer(false).fragment(1, false), what)));
  for (const auto type : std::initializer_list<std::uint8_t>{0, 43, 60}) {
    EXPECT_TRUE(passes(filter, carried(outer(true).extension(type), data))) << int{type};
    EXPECT_FALSE(passes(filter_for("none"), carried(outer(true).extension(type), data)));
  }
}

TEST(TunnelFilterTest, PortsAsGiven) {
  CaptureFilter filter = filter_for("all");
  filter.tunnels.vxlan_ports = {4790, 0};
  filter.tunnels.geneve_port = 7000;
  const Octets frame = frame_of_ip(segment(kA4, kB4, bit::syn));
  EXPECT_TRUE(passes(filter, carried(outer(false), vxlan(frame, 4790))));
  EXPECT_TRUE(passes(filter, carried(outer(false), geneve(0x6558, frame, 8, 7000))));
  for (const auto port : std::initializer_list<std::uint16_t>{0, 53, 4789, 8472, 6081}) {
    EXPECT_FALSE(passes(filter, carried(outer(false), vxlan(frame, port)))) << port;
  }
}

TEST(TunnelFilterTest, NoGreOfAnotherVersionOrWithSourceRoutes) {
  const Octets packet = segment(kA4, kB4, bit::syn).network();
  for (const unsigned flags : {1U, 2U, 4U, 7U, 0x4000U}) {
    EXPECT_FALSE(passes(filter_for("all"), carried(outer(false), gre(0x0800, packet, flags))));
  }
}

TEST(TunnelFilterTest, NarrowingSpeaksOfTheOuterPacket) {
  for_each_tunnel(segment(kA4, kB4, bit::syn), [](auto, const PacketBuilder& packet) {
    CaptureFilter filter = filter_for("all");
    filter.narrowed_by = "host 203.0.113.2 or host 2001:db8:f::2";
    EXPECT_TRUE(passes(filter, packet));
    filter.narrowed_by = "host 198.51.100.2";
    EXPECT_FALSE(passes(filter, packet));
  });
}

// Shorter than it says: no load leads beyond the packet, and no part of it passes for the whole.
TEST(TunnelFilterTest, CutAnywhere) {
  const CaptureFilter filter = filter_for("all");
  const auto program = capture_program(filter, Access::link_layer, 0);
  for_each_tunnel(segment(kA4, kB4, bit::ack).data(9), [&](auto, PacketBuilder packet) {
    KernelPacket kernel = all_in_bytes(packet.ethernet().parts());
    const bool whole = run_bpf(program, kernel) != 0;
    while (!kernel.bytes.empty()) {
      kernel.bytes.pop_back();
      EXPECT_LE(run_bpf(program, kernel) != 0, whole);
    }
  });
}

}  // namespace
}  // namespace tcpeek::ring
