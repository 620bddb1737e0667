// Link headers, IPv4 and TCP: each rule of the decoder at its boundary, and a packet for every
// reason to ignore one. IPv6 and ICMP have files of their own.

#include <string_view>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

const char* const kClient = "192.0.2.1";
const char* const kServer = "198.51.100.2";
const char* const kClient6 = "2001:db8::1";
const char* const kServer6 = "2001:db8:ffff::2";

PacketBuilder syn(std::string description = "a SYN") {
  return PacketBuilder(std::move(description))
      .ip(kClient, kServer)
      .tcp(40000, 80)
      .seq(0xfedcba98)
      .ack(0x01234567)
      .flags(tcp_flag::syn);
}

// --- Every reason ---

TEST(DecodeReasons, EachHasAPacketAndNoOtherIsGiven) {
  const Octets udp = PacketBuilder().ip(kClient, kServer).raw(17, 40).network();
  Look cut;
  cut.captured = 33;
  Look strict;
  strict.verify = Verify::ip_and_transport;
  const struct {
    std::string_view reason;
    PacketBuilder packet;
    Look look;
  } cases[] = {
      {"not_ip", syn().ethertype(0x0806), {}},
      {"not_tcp", PacketBuilder().ip(kClient, kServer).raw(17, 40), {}},
      {"truncated", syn(), cut},
      {"bad_ip_header", syn().ip_header_words(4), {}},
      {"bad_tcp_header", syn().data_offset(4), {}},
      {"mapped_address", syn().ip("::ffff:192.0.2.1", kServer6), {}},
      {"jumbogram", syn().ip(kClient6, kServer6).keep(0).ip_length(0), {}},
      {"extension_headers", syn().ip(kClient6, kServer6).extension(0).extension_units(255), {}},
      {"later_fragment", syn().fragment(1, false), {}},
      {"cut_first_fragment", syn().fragment(0, true).keep(16), {}},
      {"other_icmp", PacketBuilder().ip(kClient, kServer).icmp(3, 1).quoting(udp), {}},
      {"ip_checksum", syn().wrong_ip_checksum(), strict},
      {"transport_checksum", syn().wrong_transport_checksum(), strict},
      {"tunnel", PacketBuilder().ip(kClient, kServer).carrying(4, syn().network()), {}},
  };
  auto next = static_cast<std::size_t>(Ignored::not_ip);  // the decoder's first reason
  for (const auto& c : cases) {
    EXPECT_EQ(kIgnoredNames.at(next++), c.reason) << "a reason has no packet here";
    EXPECT_EQ(outcome(c.packet, c.look), c.reason);
  }
  EXPECT_EQ(next, static_cast<std::size_t>(Ignored::no_attempt)) << "the decoder's last reason";
}

// --- Link ---

TEST(DecodeLink, AnythingButIpIsNotIp) {
  for (const unsigned type : {0x05ddU, 0x05ffU, 0x0600U, 0x0806U, 0x0801U, 0x86dcU, 0x8846U,
                              0x8863U, 0x8865U, 0x88a7U, 0x9101U, 0x9200U, 0xffffU}) {
    EXPECT_EQ(outcome(syn().ethertype(static_cast<std::uint16_t>(type))), "not_ip") << type;
    EXPECT_EQ(outcome_of_first(0, syn().ethertype(static_cast<std::uint16_t>(type))), "not_ip");
  }
}

TEST(DecodeLink, EthertypeOfTheOtherFamilyIsABadHeader) {
  EXPECT_EQ(outcome(syn().ip(kClient6, kServer6).ethertype(0x0800)), "bad_ip_header");
  EXPECT_EQ(outcome(syn().data(40).ethertype(0x86dd)), "bad_ip_header");
}

TEST(DecodeLink, EthernetHeaderMustBeWhole) {
  const PacketBuilder packet = syn().ethernet();
  const Octets bytes = packet.build();
  for (std::size_t captured = 0; captured <= bytes.size(); ++captured) {
    const auto what = decode_copy(LinkFraming::ethernet, Verify::none,
                                  frame_of(packet, bytes.size()), bytes, captured)
                          .what;
    EXPECT_EQ(what, captured < 14 + 20 + 14 ? "truncated" : "segment") << captured;
  }
  const PacketBuilder arp = syn().ethernet().ethertype(0x0806);
  const Frame frame = frame_of(arp, 60);
  EXPECT_EQ(decode_copy(LinkFraming::ethernet, Verify::none, frame, arp.build(), 14).what,
            "not_ip");
  EXPECT_EQ(decode_copy(LinkFraming::ethernet, Verify::none, frame, arp.build(), 13).what,
            "truncated");
}

TEST(DecodeLink, EthernetReadsItsOwnTypeAndNotTheFramesWord) {
  const Octets bytes = syn().ethernet().build();
  Frame frame = frame_of(syn(), bytes.size());
  frame.ethertype = 0x86dd;
  EXPECT_EQ(decode_copy(LinkFraming::ethernet, Verify::none, frame, bytes).what, "segment");
}

TEST(DecodeLink, TagsOfEachTypeAndDepth) {
  for (const bool v6 : {false, true}) {
    for (const unsigned type : {0x8100U, 0x88a8U, 0x9100U}) {
      for (std::size_t depth = 0; depth <= 12; ++depth) {
        for (const LinkFraming link : {LinkFraming::ethernet, LinkFraming::network}) {
          PacketBuilder packet = syn().data(5);
          if (v6) packet.ip(kClient6, kServer6);
          if (link == LinkFraming::ethernet) packet.ethernet();
          for (std::size_t i = 0; i < depth; ++i) {
            packet.vlan(static_cast<std::uint16_t>(type), static_cast<std::uint16_t>(0xf000U + i));
          }
          const Octets bytes = packet.build();
          const Decoded d =
              decode_copy(link, Verify::ip_and_transport, frame_of(packet, bytes.size()), bytes);
          EXPECT_EQ(d.what, depth <= 8 ? "segment" : "not_ip") << type << " x " << depth;
          if (depth <= 8) {
            EXPECT_EQ(seen(d.segment), built(packet, 5));
          }
        }
      }
    }
  }
}

TEST(DecodeLink, MixedTagsAndACutInsideEach) {
  const PacketBuilder packet = syn().ethernet().vlan(0x88a8, 1).vlan(0x9100, 2).vlan(0x8100, 3);
  const Octets bytes = packet.build();
  for (std::size_t captured = 0; captured <= bytes.size(); ++captured) {
    const auto what = decode_copy(LinkFraming::ethernet, Verify::none,
                                  frame_of(packet, bytes.size()), bytes, captured)
                          .what;
    EXPECT_EQ(what, captured < 14 + 12 + 20 + 14 ? "truncated" : "segment") << captured;
  }
  const PacketBuilder arp = syn().vlan(0x8100, 1).ethertype(0x0806);
  const Frame frame = frame_of(arp, 60);
  EXPECT_EQ(decode_copy(LinkFraming::network, Verify::none, frame, arp.build(), 4).what, "not_ip");
  EXPECT_EQ(decode_copy(LinkFraming::network, Verify::none, frame, arp.build(), 3).what,
            "truncated");
  EXPECT_EQ(decode_copy(LinkFraming::network, Verify::none, frame, arp.build(), 0).what,
            "truncated");
}

// --- IPv4 ---

TEST(DecodeIpv4, EveryHeaderLengthAndEveryCut) {
  for (std::size_t options = 0; options <= 40; options += 4) {
    const PacketBuilder packet = syn().ip_options(options).tcp_options(8).data(9);
    const std::size_t size = packet.network().size();
    for (std::size_t captured = 0; captured <= size; ++captured) {
      Look look;
      look.captured = captured;
      const Decoded d = decode_packet(packet, look);
      ASSERT_EQ(d.what, captured < 20 + options + 14 ? "truncated" : "segment")
          << options << " bytes of options, " << captured << " captured";
      if (d.what == "segment") {
        ASSERT_EQ(seen(d.segment), built(packet, 9));
      }
    }
  }
}

TEST(DecodeIpv4, HeaderLengthThatLies) {
  for (std::uint8_t words = 0; words < 16; ++words) {
    const PacketBuilder packet = syn().tcp_options(40).ip_header_words(words).ip_length(80);
    const auto what = outcome_of_first(20, packet);
    if (words < 5) {
      EXPECT_EQ(what, "bad_ip_header") << int{words};
    } else {
      EXPECT_EQ(what, "truncated") << int{words};
    }
  }
  // The header claims more than the whole packet.
  EXPECT_EQ(outcome(syn().ip_header_words(15).ip_length(40).data(60)), "bad_ip_header");
  EXPECT_EQ(outcome_of_first(40, syn().ip_header_words(11)), "truncated");
}

TEST(DecodeIpv4, EveryWrongVersion) {
  for (std::uint8_t version = 0; version < 16; ++version) {
    EXPECT_EQ(outcome(syn().ip_version(version)), version == 4 ? "segment" : "bad_ip_header");
  }
}

TEST(DecodeIpv4, TotalLengthShorterThanTheHeaders) {
  for (std::size_t total = 1; total <= 50; ++total) {
    const auto what = outcome(syn().data(10).ip_length(total));
    const auto expected = total < 20 ? "bad_ip_header" : total < 40 ? "bad_tcp_header" : "segment";
    EXPECT_EQ(what, expected) << total;
    const auto with_options = outcome(syn().ip_options(40).data(10).ip_length(total + 40));
    EXPECT_EQ(with_options, expected) << total;
  }
}

TEST(DecodeIpv4, WhatTheLengthsSayGoesBeforeWhatWasCaptured) {
  EXPECT_EQ(outcome_of_first(20, syn().ip_length(39)), "bad_tcp_header");
  EXPECT_EQ(outcome_of_first(20, syn().ip_length(40)), "truncated");
  EXPECT_EQ(outcome_of_first(20, syn().fragment(0, true).keep(19)), "cut_first_fragment");
}

TEST(DecodeIpv4, PaddingIsNoPayload) {
  for (const std::size_t padding : {1U, 6U, 20U, 1000U}) {
    for (const std::size_t data : {0U, 1U, 5U}) {
      const PacketBuilder packet = syn().data(data).padding(padding);
      Look look;
      look.verify = Verify::ip_and_transport;
      const Decoded d = decode_packet(packet, look);
      ASSERT_EQ(d.what, "segment");
      EXPECT_EQ(d.segment.payload, data);
    }
  }
  // Padding must not serve as the missing part of a TCP header either.
  EXPECT_EQ(outcome(syn().ip_length(39).padding(30)), "bad_tcp_header");
}

TEST(DecodeIpv4, PayloadIsWhatTheHeaderSaysWhenCapturedShort) {
  const PacketBuilder packet = syn().data(1460);
  Look look;
  look.captured = 60;
  EXPECT_EQ(seen(decode_packet(packet, look).segment), built(packet, 1460));
  EXPECT_EQ(seen(decode_packet(syn().ip_length(65535)).segment), built(syn(), 65535 - 40));
}

TEST(DecodeIpv4, TotalLengthZeroMeansTheLengthOnTheWire) {
  const PacketBuilder packet = syn().data(500).ip_length(0);
  EXPECT_EQ(seen(decode_packet(packet).segment), built(packet, 500));
  Look look;
  look.captured = 34;
  EXPECT_EQ(seen(decode_packet(packet, look).segment), built(packet, 500));

  const Octets bytes = packet.network();
  const auto on_wire = [&](std::size_t wire_length) {
    return decode_copy(LinkFraming::network, Verify::none, frame_of(packet, wire_length), bytes);
  };
  EXPECT_EQ(on_wire(0).what, "bad_ip_header");
  EXPECT_EQ(on_wire(19).what, "bad_ip_header");
  EXPECT_EQ(on_wire(20).what, "bad_tcp_header");
  EXPECT_EQ(on_wire(40).segment.payload, 0);
  EXPECT_EQ(on_wire(40 + 65535).segment.payload, 65535);
  EXPECT_EQ(on_wire(40 + 65536).segment.payload, 65535) << "a payload too long for the field";
  EXPECT_EQ(on_wire(0xffffffff).segment.payload, 65535);
}

TEST(DecodeIpv4, OnlyFragmentsThatHoldTheWholeTcpHeaderAreUsed) {
  for (std::size_t options = 0; options <= 40; options += 4) {
    for (std::size_t kept = 0; kept <= 20 + options + 8; ++kept) {
      const PacketBuilder packet =
          syn().tcp_options(options).data(100).fragment(0, true).keep(kept);
      const Decoded d = decode_packet(packet);
      ASSERT_EQ(d.what, kept < 20 + options ? "cut_first_fragment" : "segment")
          << options << ' ' << kept;
      if (d.what == "segment") {
        EXPECT_EQ(seen(d.segment), built(packet, kept - 20 - options));
      }
    }
  }
  EXPECT_EQ(outcome(syn().data_offset(4).fragment(0, true)), "bad_tcp_header");
  EXPECT_EQ(outcome_of_first(33, syn().fragment(0, true)), "truncated");
}

TEST(DecodeIpv4, NoOtherFragmentIsReadAsTcp) {
  for (const bool more : {false, true}) {
    for (const unsigned offset : {1U, 2U, 3U, 0x100U, 0x1000U, 0x1fffU}) {
      EXPECT_EQ(outcome(syn().fragment(offset, more)), "later_fragment") << offset;
      EXPECT_EQ(outcome_of_first(20, syn().fragment(offset, more)), "later_fragment") << offset;
    }
  }
  EXPECT_EQ(outcome(syn().dont_fragment()), "segment");
  EXPECT_EQ(outcome(syn().fragment(0x8000, false)), "segment") << "the reserved bit says nothing";
}

TEST(DecodeIpv4, EveryOtherProtocolIsNotTcp) {
  for (int number = 0; number < 256; ++number) {
    if (number == 6 || number == 1 || number == 51) continue;
    const auto packet = syn().protocol(static_cast<std::uint8_t>(number));
    EXPECT_EQ(outcome(packet), "not_tcp") << number;
    EXPECT_EQ(outcome_of_first(20, packet), "not_tcp") << number;
  }
}

// --- TCP ---

TEST(DecodeTcp, EveryDataOffset) {
  for (const bool v6 : {false, true}) {
    for (std::uint8_t words = 0; words < 16; ++words) {
      PacketBuilder packet = syn().tcp_options(40).data(3).data_offset(words);
      PacketBuilder bare = syn().data_offset(words);
      if (v6) packet.ip(kClient6, kServer6);
      if (v6) bare.ip(kClient6, kServer6);
      const Decoded d = decode_packet(packet);
      ASSERT_EQ(d.what, words < 5 ? "bad_tcp_header" : "segment") << int{words};
      if (words >= 5) {
        EXPECT_EQ(d.segment.payload, 63U - words * 4U);
      }
      EXPECT_EQ(outcome(bare), words == 5 ? "segment" : "bad_tcp_header") << int{words};
      // One byte short of the header, and exactly it.
      const std::size_t ip_header = v6 ? 0 : 20;
      if (words >= 5) {
        EXPECT_EQ(outcome(PacketBuilder(packet).ip_length(ip_header + words * 4U)), "segment");
        EXPECT_EQ(outcome(PacketBuilder(packet).ip_length(ip_header + words * 4U - 1)),
                  "bad_tcp_header");
      }
    }
  }
}

TEST(DecodeTcp, EveryFlagsByteIsKept) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    const PacketBuilder packet = syn().flags(static_cast<std::uint8_t>(flags));
    const Decoded d = decode_packet(packet);
    ASSERT_EQ(seen(d.segment), built(packet, 0));
    // SYN without ACK, RST and FIN; ECE, CWR, PSH and URG do not matter.
    EXPECT_EQ(d.segment.opens(), (flags & 0x17U) == 0x02U) << flags;
  }
}

TEST(DecodeTcp, TimeAndInterfaceArePassedOn) {
  for (const auto& packet : {syn(), syn().ip(kClient6, kServer6)}) {
    const Decoded d = decode_packet(packet);
    EXPECT_EQ(d.segment.interface, kInterface);
    EXPECT_EQ(d.segment.time, kTime);
  }
}

TEST(DecodeTcp, BothDirectionsHaveOneKeyAndTwoSenders) {
  const struct {
    Address a, b;
    std::uint16_t a_port, b_port;
  } pairs[] = {
      {kClient, kServer, 40000, 80},   {kServer, kClient, 80, 40000},
      {kClient6, kServer6, 40000, 80}, {"127.0.0.1", "127.0.0.1", 40000, 80},
      {"::1", "::1", 80, 40000},       {"0.0.0.0", "255.255.255.255", 65535, 0},
      {"::", "ff02::1", 1, 1},
  };
  for (const auto& p : pairs) {
    const PacketBuilder up = syn().ip(p.a, p.b).tcp(p.a_port, p.b_port);
    const PacketBuilder down = syn().ip(p.b, p.a).tcp(p.b_port, p.a_port);
    const Segment one = decode_packet(up).segment;
    const Segment two = decode_packet(down).segment;
    EXPECT_EQ(one.key, two.key) << seen(one);
    EXPECT_NE(one.sender, two.sender) << seen(one);
    EXPECT_EQ(seen(one), built(up, 0));
    EXPECT_EQ(seen(two), built(down, 0));
  }
  // A connection of an end with itself: one key, one sender.
  const Segment self = decode_packet(syn().ip(kClient, kClient).tcp(80, 80)).segment;
  EXPECT_EQ(self.key.end(Sender::low), self.key.end(Sender::high));
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
