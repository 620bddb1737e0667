// IPv6 and its extension headers: each rule of the decoder at its boundary.

#include <initializer_list>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

const char* const kClient = "2001:db8::1";
const char* const kServer = "2001:db8:ffff::2";

constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kDestination = 60;
constexpr std::uint8_t kMobility = 135;
constexpr std::uint8_t kHostIdentity = 139;
constexpr std::uint8_t kShim6 = 140;
constexpr std::uint8_t kExtensions[] = {kHopByHop,    kRouting,  kFragment,     kAuthentication,
                                        kDestination, kMobility, kHostIdentity, kShim6};

PacketBuilder synack(std::string description = "a SYN/ACK") {
  return PacketBuilder(std::move(description))
      .ip(kServer, kClient)
      .tcp(443, 50000)
      .seq(0x80000001)
      .ack(0xffffffff)
      .flags(tcp_flag::syn | tcp_flag::ack);
}

// Decodes every prefix of the packet: truncated up to the TCP flags, from there on the same.
void expect_whole_from_the_flags_on(const PacketBuilder& packet, std::size_t payload) {
  const std::size_t enough = packet.parts().transport_offset() + 14;
  const std::size_t size = packet.network().size();
  for (std::size_t captured = 0; captured <= size; ++captured) {
    Look look;
    look.captured = captured;
    look.verify = Verify::ip_and_transport;
    const Decoded d = decode_packet(packet, look);
    ASSERT_EQ(d.what, captured < enough ? "truncated" : "segment")
        << packet.description() << ", " << captured << " captured";
    if (captured >= enough) {
      ASSERT_EQ(seen(d.segment), built(packet, payload)) << packet.description();
    }
  }
}

TEST(DecodeIpv6, EveryCut) {
  expect_whole_from_the_flags_on(synack(), 0);
  expect_whole_from_the_flags_on(synack().tcp_options(40).data(33), 33);
}

TEST(DecodeIpv6, EveryWrongVersion) {
  for (std::uint8_t version = 0; version < 16; ++version) {
    EXPECT_EQ(outcome(synack().ip_version(version)), version == 6 ? "segment" : "bad_ip_header");
  }
}

TEST(DecodeIpv6, PayloadLength) {
  for (std::size_t length = 1; length <= 30; ++length) {
    const Decoded d = decode_packet(synack().data(10).ip_length(length));
    EXPECT_EQ(d.what, length < 20 ? "bad_tcp_header" : "segment") << length;
    if (length >= 20) {
      EXPECT_EQ(d.segment.payload, length - 20) << "the rest is padding";
    }
  }
  EXPECT_EQ(decode_packet(synack().ip_length(65535)).segment.payload, 65515);
  EXPECT_EQ(decode_packet(synack().padding(6)).segment.payload, 0);
}

// Segmentation offload leaves it so, and Linux's packets of more than 64 KiB.
TEST(DecodeIpv6, PayloadLengthZeroMeansTheLengthOnTheWire) {
  const PacketBuilder packet = synack().data(500).ip_length(0);
  EXPECT_EQ(seen(decode_packet(packet).segment), built(packet, 500));
  Look look;
  look.captured = 54;
  EXPECT_EQ(seen(decode_packet(packet, look).segment), built(packet, 500));
  look.captured = kAll;
  look.verify = Verify::ip_and_transport;
  EXPECT_EQ(seen(decode_packet(packet, look).segment), built(packet, 500));
  EXPECT_EQ(outcome(PacketBuilder(packet).wrong_transport_checksum(), look), "transport_checksum");

  const Octets bytes = packet.network();
  const auto on_wire = [&](std::size_t wire_length) {
    return decode_copy(LinkFraming::network, Verify::none, frame_of(packet, wire_length), bytes);
  };
  EXPECT_EQ(on_wire(0).what, "jumbogram");
  EXPECT_EQ(on_wire(39).what, "jumbogram");
  EXPECT_EQ(on_wire(40).what, "jumbogram");
  EXPECT_EQ(on_wire(41).what, "bad_tcp_header");
  EXPECT_EQ(on_wire(59).what, "bad_tcp_header");
  EXPECT_EQ(on_wire(60).segment.payload, 0);
  EXPECT_EQ(on_wire(60 + 65535).segment.payload, 65535);
  EXPECT_EQ(on_wire(60 + 65536).segment.payload, 65535) << "a payload too long for the field";
  EXPECT_EQ(on_wire(0xffffffff).segment.payload, 65535);
}

TEST(DecodeIpv6, PayloadLengthZeroAndExtensionHeaders) {
  // RFC 2675: a jumbo payload option; Linux writes it for its large packets.
  Octets jumbo;
  for (const unsigned byte : {0xc2U, 4U, 0U, 1U, 0x11U, 0x84U}) tcpeek::test::put8(jumbo, byte);
  const PacketBuilder large =
      synack().extension(kHopByHop).extension_body(jumbo).data(70'000 - 28).ip_length(0);
  Look strict;
  strict.verify = Verify::ip_and_transport;
  EXPECT_EQ(seen(decode_packet(large, strict).segment), built(large, 65'535));
  EXPECT_EQ(outcome(PacketBuilder(large).wrong_transport_checksum(), strict), "transport_checksum");
  for (const std::uint8_t type : kExtensions) {
    const PacketBuilder packet = synack().extension(type).data(9).ip_length(0);
    EXPECT_EQ(seen(decode_packet(packet).segment), built(packet, 9)) << int{type};
  }
  EXPECT_EQ(outcome(synack().protocol(59).ip_length(0)), "not_tcp");
  EXPECT_EQ(outcome_of_first(39, synack().ip_length(0)), "truncated");
  EXPECT_EQ(outcome_of_first(40, synack().ip_length(0)), "truncated");
  EXPECT_EQ(outcome(synack().keep(0).ip_length(0)), "jumbogram");
}

TEST(DecodeIpv6, MappedAddressesAreRefused) {
  EXPECT_EQ(outcome(synack().ip("::ffff:192.0.2.1", kClient)), "mapped_address");
  EXPECT_EQ(outcome(synack().ip(kServer, "::ffff:192.0.2.1")), "mapped_address");
  EXPECT_EQ(outcome(synack().ip("::ffff:0.0.0.0", "::ffff:255.255.255.255")), "mapped_address");
  EXPECT_EQ(outcome_of_first(40, synack().ip("::ffff:1.2.3.4", kClient)), "mapped_address");
  // Their neighbours are addresses like any other.
  for (const char* near : {"::192.0.2.1", "::fffe:192.0.2.1", "::1:ffff:192.0.2.1",
                           "64:ff9b::192.0.2.1", "8000::ffff:192.0.2.1", "::ff00:192.0.2.1"}) {
    const PacketBuilder packet = synack().ip(near, kClient);
    EXPECT_EQ(seen(decode_packet(packet).segment), built(packet, 0)) << near;
  }
}

TEST(DecodeIpv6, EachExtensionHeaderAndEveryCutInIt) {
  for (const std::uint8_t type : kExtensions) {
    PacketBuilder packet = synack("extension header " + std::to_string(type)).data(4);
    packet.extension(type, 8);
    expect_whole_from_the_flags_on(packet, 4);
    if (type == kFragment) continue;
    packet.extension(type, 32);
    expect_whole_from_the_flags_on(packet, 4);
  }
  expect_whole_from_the_flags_on(synack().extension(kHopByHop, 2048), 0);
  expect_whole_from_the_flags_on(synack().extension(kAuthentication, 257 * 4), 0);
}

TEST(DecodeIpv6, AuthenticationHeadersAreMeasuredInFours) {
  for (std::size_t bytes = 8; bytes <= 64; bytes += 4) {
    expect_whole_from_the_flags_on(synack().extension(kAuthentication, bytes), 0);
  }
  // The same number read in eights, by any other header.
  for (const auto type : std::initializer_list<std::uint8_t>{kHopByHop, kRouting, kDestination}) {
    expect_whole_from_the_flags_on(synack().extension(type, 24).extension_units(2), 0);
  }
}

TEST(DecodeIpv6, TheLengthByteOfAFragmentHeaderIsReserved) {
  expect_whole_from_the_flags_on(synack().fragment_header(0, false).extension_units(255), 0);
}

TEST(DecodeIpv6, ChainsUpToEight) {
  for (const std::uint8_t type : kExtensions) {
    for (std::size_t count = 1; count <= 12; ++count) {
      PacketBuilder packet = synack().data(7);
      for (std::size_t i = 0; i < count; ++i) packet.extension(type);
      const Decoded d = decode_packet(packet);
      ASSERT_EQ(d.what, count <= 8 ? "segment" : "extension_headers") << int{type} << 'x' << count;
      if (count <= 8) {
        EXPECT_EQ(seen(d.segment), built(packet, 7));
      }
    }
  }
  expect_whole_from_the_flags_on(synack("each of them, lengths mixed")
                                     .extension(kHopByHop, 16)
                                     .extension(kDestination, 8)
                                     .routing(0, 40)
                                     .fragment_header(0, false)
                                     .extension(kAuthentication, 28)
                                     .extension(kDestination, 24)
                                     .extension(kAuthentication, 12)
                                     .extension(kDestination, 16)
                                     .data(2),
                                 2);
}

TEST(DecodeIpv6, ANinthExtensionHeaderIsRefusedBeforeItIsRead) {
  PacketBuilder packet = synack();
  for (int i = 0; i < 9; ++i) packet.extension(kDestination);
  EXPECT_EQ(outcome_of_first(40 + 8 * 8, packet), "extension_headers");
  EXPECT_EQ(outcome_of_first(40 + 8 * 8 - 1, packet), "truncated");
}

TEST(DecodeIpv6, ExtensionHeaderLengthsThatLie) {
  for (const auto type : std::initializer_list<std::uint8_t>{kHopByHop, kRouting, kDestination}) {
    const PacketBuilder packet = synack().extension(type, 8);
    // 28 bytes of payload: 24 end inside TCP, 32 end outside of the packet.
    EXPECT_EQ(outcome(PacketBuilder(packet).extension_units(2)), "bad_tcp_header");
    EXPECT_EQ(outcome(PacketBuilder(packet).extension_units(3)), "extension_headers");
    EXPECT_EQ(outcome(PacketBuilder(packet).extension_units(255)), "extension_headers");
    // It ends where the packet does.
    EXPECT_EQ(outcome(PacketBuilder(packet).data(4).extension_units(3)), "bad_tcp_header");
    // Padding is no part of it.
    EXPECT_EQ(outcome(PacketBuilder(packet).padding(100).extension_units(3)), "extension_headers");
  }
  const PacketBuilder packet = synack().extension(kAuthentication, 8);
  EXPECT_EQ(outcome(PacketBuilder(packet).extension_units(5)), "bad_tcp_header");
  EXPECT_EQ(outcome(PacketBuilder(packet).extension_units(6)), "extension_headers");
}

TEST(DecodeIpv6, ExtensionHeadersThatDoNotFitThePayloadLength) {
  for (const std::uint8_t type : kExtensions) {
    for (std::size_t length = 1; length < 28; ++length) {
      const auto packet = synack().extension(type).ip_length(length);
      EXPECT_EQ(outcome(packet), length < 8 ? "extension_headers" : "bad_tcp_header") << length;
    }
    const auto second = synack().extension(kDestination).extension(type).ip_length(15);
    EXPECT_EQ(outcome(second), "extension_headers");
  }
}

TEST(DecodeIpv6, WhatFollowsTheChainIsTcpOrNot) {
  // No next header, ESP, IPv4 and IPv6 inside, UDP, SCTP, and ICMP of the other family.
  for (const auto number :
       std::initializer_list<std::uint8_t>{59, 50, 134, 136, 138, 141, 4, 41, 17, 132, 1, 253}) {
    EXPECT_EQ(outcome(synack().protocol(number)), "not_tcp") << int{number};
    EXPECT_EQ(outcome(synack().extension(kDestination).protocol(number)), "not_tcp");
    EXPECT_EQ(outcome_of_first(40, synack().protocol(number)), "not_tcp") << int{number};
  }
}

TEST(DecodeIpv6, AtomicFragmentsAreWholePackets) {
  expect_whole_from_the_flags_on(synack().fragment_header(0, false).data(21), 21);
  Look strict;
  strict.verify = Verify::ip_and_transport;
  EXPECT_EQ(outcome(synack().fragment_header(0, false).wrong_transport_checksum(), strict),
            "transport_checksum");
}

TEST(DecodeIpv6, OnlyFragmentsThatHoldTheWholeTcpHeaderAreUsed) {
  for (const std::size_t options : {0U, 4U, 40U}) {
    for (std::size_t kept = 0; kept <= 20 + options + 8; ++kept) {
      const PacketBuilder packet = synack()
                                       .extension(kDestination)
                                       .fragment_header(0, true)
                                       .tcp_options(options)
                                       .data(100)
                                       .keep(kept);
      const Decoded d = decode_packet(packet);
      ASSERT_EQ(d.what, kept < 20 + options ? "cut_first_fragment" : "segment") << kept;
      if (d.what == "segment") {
        EXPECT_EQ(seen(d.segment), built(packet, kept - 20 - options));
      }
    }
  }
}

TEST(DecodeIpv6, AFirstFragmentStaysOneWhateverFollows) {
  // An extension header, an atomic fragment header: more is still to come.
  EXPECT_EQ(outcome(synack().fragment_header(0, true).extension(kDestination).keep(16)),
            "cut_first_fragment");
  EXPECT_EQ(outcome(synack().fragment_header(0, true).fragment_header(0, false).keep(16)),
            "cut_first_fragment");
  EXPECT_EQ(outcome(synack().fragment_header(0, true).extension(kDestination)), "segment");
}

TEST(DecodeIpv6, NoOtherFragmentIsReadAsTcp) {
  for (const bool more : {false, true}) {
    for (const unsigned offset : {1U, 2U, 3U, 0x100U, 0x1000U, 0x1fffU}) {
      EXPECT_EQ(outcome(synack().fragment_header(offset, more)), "later_fragment") << offset;
      EXPECT_EQ(outcome_of_first(48, synack().fragment_header(offset, more)), "later_fragment");
      EXPECT_EQ(outcome_of_first(47, synack().fragment_header(offset, more)), "truncated");
      EXPECT_EQ(outcome(synack().fragment_header(0, false).fragment_header(offset, more)),
                "later_fragment");
    }
  }
}

TEST(DecodeIpv6, ReservedBitsOfTheFragmentHeaderSayNothing) {
  const PacketBuilder packet = synack().fragment_header(0, false);
  Octets bytes = packet.network();
  bytes.at(43) |= std::byte{0x06};
  const Decoded d = decode_copy(LinkFraming::network, Verify::ip_and_transport,
                                frame_of(packet, bytes.size()), bytes);
  EXPECT_EQ(d.what, "segment");
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
