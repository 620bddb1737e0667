// Tunnels: the segment inside is what is decoded, of each kind, several deep; what cannot be looked into
// is told apart from what holds no TCP.

#include "tests/flowtable/tunnel_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using namespace tcpeek::test;

constexpr TunnelKind kKinds[] = {TunnelKind::vxlan, TunnelKind::geneve, TunnelKind::gre,
                                 TunnelKind::ipip};

TEST(Tunnels, WhatIsInsideCounts) {
  for_each_tunnel([](const auto& name, const PacketBuilder& packet, const PacketBuilder& inner) {
    const Decoded d = decode_packet(packet, all());
    EXPECT_EQ(d.what, "segment");
    EXPECT_EQ(seen(d.segment), built(inner, 9));
    EXPECT_EQ(d.segment.interface, kInterface);
    EXPECT_EQ(d.segment.time, kTime);
    EXPECT_EQ(outcome(packet, only(kind_of(name))), "segment");
  });
}

TEST(Tunnels, OnlyThoseAskedForAreLookedInto) {
  for_each_tunnel([](const auto& name, const PacketBuilder& packet, const auto&) {
    EXPECT_EQ(outcome(packet), "tunnel");
    for (const TunnelKind kind : kKinds) {
      EXPECT_EQ(outcome(packet, only(kind)), kind == kind_of(name) ? "segment" : "tunnel");
    }
  });
}

TEST(Tunnels, CutAtEveryByte) {
  for_each_tunnel([](const auto&, const PacketBuilder& packet, const PacketBuilder& inner) {
    const std::size_t whole = packet.network().size();
    const std::size_t in_ip = inner.parts().transport_offset();
    const std::size_t enough = whole - (inner.network().size() - in_ip) + 14;
    const std::size_t outer_ip = packet.parts().transport_offset();
    const bool udp = packet.parts().protocol == 17;
    for (std::size_t captured = 0; captured <= whole; ++captured) {
      // A port that was not captured may be any.
      const bool unknown = udp && captured >= outer_ip && captured < outer_ip + 4;
      const auto expected = captured >= enough ? "segment" : unknown ? "not_tcp" : "truncated";
      ASSERT_EQ(outcome(packet, all(captured)), expected) << captured << " of " << whole;
      const auto what = outcome(packet, {.captured = captured});
      ASSERT_TRUE(what == (captured < outer_ip ? "truncated" : "not_tcp") || what == "tunnel");
    }
    EXPECT_EQ(seen(decode_packet(packet, all(enough)).segment), built(inner, 9));
  });
}

// Each header's end, told by the outer packet: a mirror cuts what it sends, and the rest is not there.
TEST(Tunnels, APacketShorterThanWhatItCarries) {
  for_each_tunnel([](const auto&, const PacketBuilder& packet, const PacketBuilder& inner) {
    const std::size_t whole = packet.network().size() - packet.parts().transport_offset();
    const std::size_t enough = whole - 20 - 9 + 14;
    for (std::size_t kept = 1; kept < whole; ++kept) {
      const Decoded d = decode_packet(PacketBuilder(packet).keep(kept), all());
      if (kept >= enough) {
        ASSERT_EQ(seen(d.segment), built(inner, 9)) << kept;
      } else {
        ASSERT_TRUE(d.what == "truncated" || d.what == "not_tcp") << kept << ": " << d.what;
      }
    }
  });
}

// What follows the packet inside is no part of it, and the inner header says where it ends.
TEST(Tunnels, PaddingInsideIsNoData) {
  for (const std::size_t padding : {1U, 6U, 46U}) {
    const Octets frame = syn().ethernet().padding(padding).build();
    for (const Carried& what : {vxlan(frame), geneve(0x6558, frame), erspan_ii(frame)}) {
      EXPECT_EQ(seen(decode_packet(carried(outer(false), what), all()).segment), built(syn(), 9));
    }
  }
}

TEST(Tunnels, LinkHeadersInside) {
  const auto decoded = [](const PacketBuilder& inner) {
    return decode_packet(carried(outer(false), vxlan(inner.build())), all());
  };
  PacketBuilder tagged = syn().ethernet().vlan(0x88a8, 100).vlan(0x8100, 7);
  EXPECT_EQ(seen(decoded(tagged).segment), built(syn(), 9));
  for (std::size_t tags = 3; tags <= 9; ++tags) {
    tagged.vlan(0x8100, 1);
    EXPECT_EQ(decoded(tagged).what, tags <= 8 ? "segment" : "not_ip");
  }
  EXPECT_EQ(decoded(syn().ethernet().ethertype(0x0806)).what, "not_ip");
  // MPLS in GRE (RFC 4023): a label, the bottom of its stack.
  Octets labelled;
  put32(labelled, 0x00064140);
  append(labelled, syn().network());
  EXPECT_EQ(seen(decode_packet(carried(outer(false), gre(0x8847, labelled)), all()).segment),
            built(syn(), 9));
}

// One packet in another, `kinds` tunnels deep.
PacketBuilder nested(std::size_t kinds, const PacketBuilder& inner, std::size_t first = 0) {
  PacketBuilder packet = inner;
  for (std::size_t i = 0; i < kinds; ++i) {
    const auto ways = every_tunnel(packet);
    packet = carried(outer(i % 2 == 1), ways[(first + i * 4) % ways.size()].second);
  }
  return packet;
}

TEST(Tunnels, SeveralDeepAndNoDeeper) {
  for (std::size_t first = 0; first < every_tunnel(syn()).size(); ++first) {
    for (std::size_t depth = 1; depth <= 7; ++depth) {
      const PacketBuilder packet = nested(depth, syn(first % 2 == 1), first);
      const Decoded d = decode_packet(packet, all());
      EXPECT_EQ(d.what, depth <= kMaxTunnels       ? "segment"
                        : depth == kMaxTunnels + 1 ? "tunnel"
                                                   : "not_tcp")
          << depth << " deep, first " << first;
      if (depth <= kMaxTunnels) {
        EXPECT_EQ(seen(d.segment), built(syn(first % 2 == 1), 9));
      }
      // One look is all that a tunnel not asked for gets.
      EXPECT_EQ(outcome(packet), depth == 1 ? "tunnel" : "not_tcp");
    }
  }
}

TEST(Tunnels, EachLevelMustBeAskedFor) {
  const PacketBuilder packet =
      carried(outer(true), gre(0x0800, carried(outer(false), vxlan(frame_of_ip(syn()))).network()));
  EXPECT_EQ(outcome(packet, only(TunnelKind::gre)), "tunnel");
  EXPECT_EQ(outcome(packet, only(TunnelKind::vxlan)), "not_tcp");
  Look both = only(TunnelKind::gre);
  both.tunnels.want(TunnelKind::vxlan);
  EXPECT_EQ(outcome(packet, both), "segment");
}

TEST(Tunnels, WhatHoldsNoTcpIsNone) {
  const PacketBuilder udp_inside = PacketBuilder().ip("192.0.2.1", "192.0.2.2").raw(17, 40);
  for (const auto& [name, what] : every_tunnel(udp_inside)) {
    EXPECT_EQ(outcome_of(what, {}), "not_tcp") << name;
    EXPECT_EQ(outcome_of(what), "not_tcp") << name;
  }
}

// --- Fragments, checksums, errors ---

TEST(TunnelParts, FragmentsOfTheOuterPacket) {
  for_each_tunnel([](const auto&, const PacketBuilder& packet, const PacketBuilder& inner) {
    const bool v6 = packet.parts().v6();
    const auto fragment = [&](unsigned offset, bool more) {
      PacketBuilder p = packet;
      return v6 ? p.fragment_header(offset, more) : p.fragment(offset, more);
    };
    EXPECT_EQ(outcome(fragment(1, true), all()), "later_fragment");
    EXPECT_EQ(outcome(fragment(9, false), all()), "later_fragment");
    EXPECT_EQ(seen(decode_packet(fragment(0, true), all()).segment), built(inner, 9));
    // The first fragment ends inside the inner headers: the next one is never read as TCP.
    const std::size_t whole = packet.network().size() - packet.parts().transport_offset();
    const std::size_t enough = whole - 20 - 9 + 14;
    EXPECT_EQ(outcome(fragment(0, true).keep(enough), all()), "segment");
    EXPECT_EQ(outcome(fragment(0, true).keep(enough - 1), all()), "cut_first_fragment");
    // The capture ends first.
    const std::size_t header = fragment(0, true).parts().transport_offset();
    EXPECT_EQ(outcome(fragment(0, true), all(header + enough - 1)), "truncated");
  });
}

TEST(TunnelParts, FragmentsInside) {
  for (const auto& [name, what] : every_tunnel(syn().fragment(1, false))) {
    EXPECT_EQ(outcome_of(what), "later_fragment") << name;
  }
  for (const auto& [name, what] : every_tunnel(syn().fragment(0, true).keep(16))) {
    EXPECT_EQ(outcome_of(what), "cut_first_fragment") << name;
  }
  for (const auto& [name, what] : every_tunnel(syn(true).fragment_header(0, true))) {
    EXPECT_EQ(outcome_of(what), "segment") << name;
  }
}

TEST(TunnelParts, HeadersInsideThatLie) {
  const std::pair<PacketBuilder, std::string_view> cases[] = {
      {syn().ip_header_words(4), "bad_ip_header"},
      {syn().ip_version(5), "bad_ip_header"},
      {syn().data_offset(4), "bad_tcp_header"},
      {syn(true).extension(60).extension_units(255), "extension_headers"},
      {syn(true).ip("::ffff:192.0.2.1", "2001:db8::1"), "mapped_address"}};
  for (const auto& [inner, reason] : cases) {
    EXPECT_EQ(outcome_of(vxlan(frame_of_ip(inner))), reason);
    EXPECT_EQ(outcome_of(gre(inner.parts().v6() ? 0x86dd : 0x0800, inner.network())), reason);
    EXPECT_EQ(outcome_of(ip_in_ip(inner)), reason);
  }
}

// An inner length of zero is that of a segmentation offload: as long as the tunnel is.
TEST(TunnelParts, InnerLengthOfZero) {
  for (const bool v6 : {false, true}) {
    for (const auto& [name, what] : every_tunnel(syn(v6).ip_length(0))) {
      const Decoded d = decode_packet(carried(outer(v6), what), all());
      EXPECT_EQ(seen(d.segment), built(syn(v6), 9)) << name;
    }
  }
}

TEST(TunnelParts, ChecksumsOfEachHeaderOfIpAndOfTheInnerTcp) {
  const auto look = [](Verify verify) {
    Look l = all();
    l.verify = verify;
    return l;
  };
  for_each_tunnel([&](const auto&, const PacketBuilder& packet, const PacketBuilder&) {
    EXPECT_EQ(outcome(packet, look(Verify::ip_and_transport)), "segment");
    PacketBuilder wrong = packet;
    const auto expected = packet.parts().v6() ? "segment" : "ip_checksum";
    EXPECT_EQ(outcome(wrong.wrong_ip_checksum(), look(Verify::ip_header)), expected);
  });
  for (const auto& [name, what] : every_tunnel(syn().wrong_ip_checksum())) {
    EXPECT_EQ(outcome_of(what, look(Verify::ip_header)), "ip_checksum") << name;
    EXPECT_EQ(outcome_of(what, look(Verify::none)), "segment") << name;
  }
  for (const bool v6 : {false, true}) {
    for (const auto& [name, what] : every_tunnel(syn(v6).wrong_transport_checksum())) {
      Look strict = look(Verify::ip_and_transport);
      EXPECT_EQ(outcome_of(what, strict), "transport_checksum") << name;
      EXPECT_EQ(outcome_of(what, look(Verify::ip_header)), "segment") << name;
      // What the network card says of a checksum, it says of the outer one.
      strict.waived = true;
      EXPECT_EQ(outcome_of(what, strict), "transport_checksum") << name;
      // Not whole, so nobody can tell.
      PacketBuilder cut = carried(outer(false), what);
      const std::size_t whole = cut.network().size() - 20;
      EXPECT_EQ(outcome(cut.keep(whole - 1), look(Verify::ip_and_transport)), "segment") << name;
    }
  }
}

TEST(TunnelParts, IcmpErrorsInsideEndAttempts) {
  for (const bool v6 : {false, true}) {
    const PacketBuilder error =
        PacketBuilder()
            .ip(v6 ? "2001:db8:9::9" : "203.0.113.9", v6 ? "2001:db8::1" : "192.0.2.1")
            .icmp(v6 ? 1 : 3, 1)
            .quoting(syn(v6).network());
    for (const auto& [name, what] : every_tunnel(error)) {
      EXPECT_EQ(seen(decode_packet(carried(outer(!v6), what), all()).segment), quoted(syn(v6)));
      EXPECT_EQ(outcome_of(what, {}), "not_tcp") << name;
    }
  }
}

// An error about the tunnel is none about the connection inside.
TEST(TunnelParts, IcmpErrorsAboutATunnelEndNothing) {
  for_each_tunnel([](const auto&, const PacketBuilder& packet, const auto&) {
    const bool v6 = packet.parts().v6();
    const PacketBuilder error =
        PacketBuilder()
            .ip(v6 ? "2001:db8:9::9" : "192.0.2.9", v6 ? "2001:db8:f::1" : "203.0.113.1")
            .icmp(v6 ? 1 : 3, 1)
            .quoting(packet.network());
    EXPECT_EQ(outcome(error, all()), "other_icmp");
  });
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
