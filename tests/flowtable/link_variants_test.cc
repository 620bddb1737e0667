// Variants of link headers: LLC and SNAP in place of a type, compressed protocol numbers of PPPoE, VN-Tag
// and E-Tag, and the attributes of an NFLOG message. Each at its bounds.

#include <initializer_list>
#include <vector>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::test::append;
using tcpeek::test::put16;
using tcpeek::test::put32;
using tcpeek::test::put8;

using enum LinkFraming;

PacketBuilder syn(bool v6 = false) {
  return PacketBuilder(v6 ? "an IPv6 SYN" : "an IPv4 SYN")
      .ip(v6 ? "2001:db8::1" : "192.0.2.1", v6 ? "2001:db8::2" : "198.51.100.2")
      .tcp(40000, 80)
      .seq(0xfedcba98)
      .flags(tcp_flag::syn)
      .data(5);
}

std::uint16_t type_of(bool v6) {
  return v6 ? 0x86dd : 0x0800;
}

Octets octets(std::initializer_list<unsigned> bytes) {
  Octets out;
  for (const unsigned byte : bytes) put8(out, byte);
  return out;
}

Octets operator+(Octets a, const Octets& b) {
  append(a, b);
  return a;
}

Octets typed(std::size_t type) {
  Octets out;
  put16(out, type);
  return out;
}

Octets ethernet_header(std::size_t type) {
  return Octets(12, std::byte{2}) + typed(type);
}

Octets cooked_header(std::size_t type) {
  return Octets(14, std::byte{0x11}) + typed(type);
}

Octets snap(std::size_t type, unsigned organization = 0) {
  return octets({0xaa, 0xaa, 3, 0, 0, organization}) + typed(type);
}

Decoded decode_bytes(LinkFraming link, const Octets& bytes, std::size_t captured = kAll,
                     Verify verify = Verify::ip_and_transport) {
  Frame frame;
  frame.wire_length = static_cast<std::uint32_t>(bytes.size());
  frame.interface = kInterface;
  frame.time = kTime;
  return decode_copy(link, verify, frame, bytes, captured);
}

std::string_view outcome_of(LinkFraming link, const Octets& bytes) {
  return decode_bytes(link, bytes).what;
}

// The SYN behind `header` comes out, and cut anywhere before its flags it is truncated.
void expect_behind(LinkFraming link, const Octets& header, bool v6) {
  const PacketBuilder packet = syn(v6);
  const Octets bytes = header + packet.network();
  const std::size_t enough = header.size() + (v6 ? 40 : 20) + 14;
  for (std::size_t captured = 0; captured <= bytes.size(); ++captured) {
    const Decoded d = decode_bytes(link, bytes, captured);
    ASSERT_EQ(d.what, captured < enough ? "truncated" : "segment")
        << captured << " of " << bytes.size();
    if (captured < enough) continue;
    ASSERT_EQ(seen(d.segment), built(packet, 5));
  }
}

// --- LLC and SNAP ---

TEST(LinkVariants, SnapBehindALength) {
  for (const bool v6 : {false, true}) {
    const std::size_t length = 8 + syn(v6).network().size();
    for (const unsigned organization : {0x00U, 0xf8U}) {
      const Octets llc = snap(type_of(v6), organization);
      expect_behind(ethernet, ethernet_header(length) + llc, v6);
      // The length is that of the frame without padding; one that is too large is cut by the frame.
      expect_behind(ethernet, ethernet_header(1500) + llc, v6);
      expect_behind(ethernet, ethernet_header(0x8100) + typed(7) + typed(length) + llc, v6);
      expect_behind(cooked, cooked_header(0x8100) + typed(7) + typed(length) + llc, v6);
      // Linux tells LLC by a type of its own.
      expect_behind(cooked, cooked_header(4) + llc, v6);
    }
  }
}

TEST(LinkVariants, IpHasASapOfItsOwn) {
  const Octets llc = octets({6, 6, 3});
  expect_behind(ethernet, ethernet_header(3 + syn().network().size()) + llc, false);
  expect_behind(cooked, cooked_header(4) + llc, false);
  EXPECT_EQ(outcome_of(ethernet, ethernet_header(1500) + llc + syn(true).network()),
            "bad_ip_header");
}

TEST(LinkVariants, OtherLlcIsNotIp) {
  const Octets packet = syn().network();
  for (const auto& llc :
       {octets({0x42, 0x42, 3}), octets({0xff, 0xff, 0}), octets({0xe0, 0xe0, 3}),
        octets({0xaa, 0xaa, 0x0b}), octets({0xaa, 0xab, 3}), octets({0xab, 0xaa, 3}),
        octets({6, 6, 0x13}), octets({6, 7, 3}), octets({0xfe, 0xfe, 3})}) {
    EXPECT_EQ(outcome_of(ethernet, ethernet_header(1000) + llc + packet), "not_ip");
    EXPECT_EQ(outcome_of(cooked, cooked_header(4) + llc + packet), "not_ip");
  }
  // Cisco's, Apple's, bridged frames: not what an ethertype says.
  for (const auto& organization : {octets({0, 0, 0xc}), octets({8, 0, 7}), octets({0, 0x80, 0xc2}),
                                   octets({0, 0, 0xf7}), octets({0xf8, 0, 0})}) {
    const Octets llc = octets({0xaa, 0xaa, 3}) + organization + typed(0x0800);
    EXPECT_EQ(outcome_of(ethernet, ethernet_header(1000) + llc + packet), "not_ip");
  }
  for (const unsigned type : {0U, 4U, 1500U, 0x0806U, 0x8100U}) {
    EXPECT_EQ(outcome_of(ethernet, ethernet_header(1000) + snap(type) + packet), "not_ip");
  }
}

TEST(LinkVariants, ALengthIsUpTo1500) {
  const Octets behind = snap(0x0800) + syn().network();
  for (const unsigned type : {60U, 1499U, 1500U}) {
    EXPECT_EQ(outcome_of(ethernet, ethernet_header(type) + behind), "segment") << type;
  }
  for (const unsigned type : {1501U, 1535U, 1536U}) {
    EXPECT_EQ(outcome_of(ethernet, ethernet_header(type) + behind), "not_ip") << type;
  }
  // Without a tag, a cooked header holds no length.
  for (const unsigned type : {0U, 1U, 3U, 5U, 60U, 1500U}) {
    EXPECT_EQ(outcome_of(cooked, cooked_header(type) + behind), "not_ip") << type;
  }
}

TEST(LinkVariants, WhatALengthDoesNotHoldIsNotRead) {
  const Octets packet = syn().network();
  const auto with = [&](std::size_t length) {
    return outcome_of(ethernet, ethernet_header(length) + snap(0x0800) + packet);
  };
  for (std::size_t length = 0; length < 8; ++length) EXPECT_EQ(with(length), "not_ip") << length;
  for (std::size_t length = 8; length < 8 + 34; ++length) {
    EXPECT_EQ(with(length), "truncated") << length;
  }
  EXPECT_EQ(with(8 + 34), "segment");
  EXPECT_EQ(outcome_of(ethernet, ethernet_header(2) + octets({6, 6, 3}) + packet), "not_ip");
  EXPECT_EQ(outcome_of(ethernet, ethernet_header(3) + octets({6, 6, 3}) + packet), "truncated");
  // Nor by what stands behind SNAP.
  const Octets label = octets({0, 0, 1, 64});
  const Octets labels = ethernet_header(8) + snap(0x8847) + label + packet;
  EXPECT_EQ(outcome_of(ethernet, labels), "truncated");
  const Octets session = ethernet_header(8) + snap(0x8864) + octets({0x11, 0, 0, 1, 0, 9, 0x21});
  EXPECT_EQ(outcome_of(ethernet, session + packet), "truncated");
}

TEST(LinkVariants, LabelsAndSessionsBehindSnap) {
  expect_behind(ethernet, ethernet_header(1500) + snap(0x8847) + octets({0, 0, 1, 64}), true);
  expect_behind(ethernet,
                ethernet_header(1500) + snap(0x8864) + octets({0x11, 0, 0, 1, 0, 9, 0, 0x21}),
                false);
}

// Behind a length, a packet that does not tell its own ends where the length does.
TEST(LinkVariants, TotalLengthZeroEndsWithTheLength) {
  for (const bool v6 : {false, true}) {
    const PacketBuilder packet = syn(v6).data(50).ip_length(0);
    const Octets frame = ethernet_header(8 + packet.network().size()) + snap(type_of(v6)) +
                         packet.network() + Octets(20, std::byte{0xee});
    EXPECT_EQ(seen(decode_bytes(ethernet, frame).segment), built(packet, 50));
  }
}

// --- PPPoE ---

TEST(LinkVariants, CompressedProtocolNumbers) {
  for (const unsigned first_type : {0x8864U, 0x8100U}) {
    Octets header = ethernet_header(first_type);
    if (first_type == 0x8100) header = header + typed(7) + typed(0x8864);
    header = header + octets({0x11, 0, 0x12, 0x34, 0xff, 0xff});
    expect_behind(ethernet, header + octets({0x21}), false);
    expect_behind(ethernet, header + octets({0x57}), true);
    expect_behind(ethernet, header + octets({0, 0x21}), false);
    for (unsigned number = 0; number < 256; ++number) {
      const auto what = outcome_of(ethernet, header + octets({number}) + syn().network());
      if (number == 0x21) {
        EXPECT_EQ(what, "segment");
      } else if (number == 0x57) {
        EXPECT_EQ(what, "bad_ip_header");
      } else {
        EXPECT_EQ(what, "not_ip") << number;
      }
    }
  }
}

TEST(LinkVariants, OnlySessionDataOfVersionOneIsRead) {
  for (const unsigned version_type : {0x00U, 0x01U, 0x10U, 0x11U, 0x12U, 0x21U, 0xffU}) {
    for (const unsigned code : {0U, 1U, 0x09U, 0xa7U, 0xffU}) {
      const Octets header =
          ethernet_header(0x8864) + octets({version_type, code, 0, 1, 0, 9, 0x21});
      const bool data = version_type == 0x11 && code == 0;
      EXPECT_EQ(outcome_of(ethernet, header + syn().network()), data ? "segment" : "not_ip")
          << version_type << ' ' << code;
    }
  }
}

// --- VN-Tag, E-Tag ---

TEST(LinkVariants, TagsOfSixAndEightBytes) {
  const Octets vn = octets({0x80, 1, 0, 2});
  const Octets e = octets({0xe0, 1, 0, 2, 0, 3});
  for (const bool v6 : {false, true}) {
    const Octets type = typed(type_of(v6));
    expect_behind(ethernet, ethernet_header(0x8926) + vn + type, v6);
    expect_behind(ethernet, ethernet_header(0x893f) + e + type, v6);
    expect_behind(cooked, cooked_header(0x8926) + vn + type, v6);
    // Cisco's stand before a VLAN tag.
    expect_behind(ethernet, ethernet_header(0x8926) + vn + typed(0x8100) + typed(7) + type, v6);
    expect_behind(ethernet, ethernet_header(0x8100) + typed(7) + typed(0x893f) + e + type, v6);
  }
  expect_behind(ethernet, ethernet_header(0x8926) + vn + typed(1500) + snap(0x0800), false);
  EXPECT_EQ(outcome_of(ethernet, ethernet_header(0x8926) + vn + typed(0x0806) + syn().network()),
            "not_ip");
}

TEST(LinkVariants, TheyCountAsTags) {
  for (std::size_t tags = 1; tags <= 9; ++tags) {
    Octets header = ethernet_header(0x8926);
    for (std::size_t i = 1; i <= tags; ++i) {
      header = header + octets({0, 0, 0, 0}) + typed(i == tags ? 0x0800 : 0x8926);
    }
    EXPECT_EQ(outcome_of(ethernet, header + syn().network()), tags <= 8 ? "segment" : "not_ip");
  }
}

// --- NFLOG ---

// One host's byte order for the attributes; family and resource as on the wire.
class Nflog {
 public:
  explicit Nflog(bool little, unsigned family = 2, unsigned version = 0)
      : little_(little), bytes_(octets({family, version, 0, 5})) {}

  Nflog& attribute(std::size_t type, const Octets& value, std::size_t length) {
    number(length);
    number(type);
    append(bytes_, value);
    return *this;
  }
  Nflog& attribute(std::size_t type, const Octets& value) {
    attribute(type, value, 4 + value.size());
    bytes_.resize((bytes_.size() + 3) / 4 * 4, std::byte{0});
    return *this;
  }
  [[nodiscard]] const Octets& bytes() const { return bytes_; }

 private:
  void number(std::size_t value) {
    put8(bytes_, little_ ? value & 0xff : value >> 8);
    put8(bytes_, little_ ? value >> 8 : value & 0xff);
  }

  bool little_;
  Octets bytes_;
};

Octets some(std::size_t bytes) {
  return Octets(bytes, std::byte{0x21});
}

TEST(LinkVariants, NflogOfEitherByteOrderAndFamily) {
  for (const bool little : {false, true}) {
    for (const bool v6 : {false, true}) {
      const Octets packet = syn(v6).network();
      for (const unsigned family : {v6 ? 10U : 2U, 1U, 5U, 7U}) {
        const Octets bytes = Nflog(little, family)
                                 .attribute(1, some(4))
                                 .attribute(3, some(4))
                                 .attribute(10, some(3))
                                 .attribute(16, some(14))
                                 .attribute(9, packet)
                                 .bytes();
        const Decoded d = decode_bytes(nflog, bytes);
        ASSERT_EQ(d.what, "segment") << little << v6 << family;
        EXPECT_EQ(seen(d.segment), built(syn(v6), 5));
        EXPECT_EQ(d.segment.interface, kInterface);
      }
    }
  }
}

TEST(LinkVariants, NflogCutAnywhere) {
  for (const bool little : {false, true}) {
    const Octets before = Nflog(little).attribute(1, some(4)).attribute(10, some(5)).bytes();
    const Octets bytes = Nflog(little)
                             .attribute(1, some(4))
                             .attribute(10, some(5))
                             .attribute(9, syn().network())
                             .bytes();
    const std::size_t enough = before.size() + 4 + 20 + 14;
    for (std::size_t captured = 0; captured <= bytes.size(); ++captured) {
      EXPECT_EQ(decode_bytes(nflog, bytes, captured).what,
                captured < enough ? "truncated" : "segment")
          << captured;
    }
  }
}

TEST(LinkVariants, NflogAttributesThatLie) {
  const Octets packet = syn().network();
  for (const bool little : {false, true}) {
    const auto first = [&](std::size_t length) {
      return outcome_of(nflog,
                        Nflog(little).attribute(3, some(4), length).attribute(9, packet).bytes());
    };
    for (const std::size_t length : {0U, 1U, 2U, 3U}) EXPECT_EQ(first(length), "not_ip") << length;
    for (const std::size_t length : {5U, 6U, 7U, 8U}) EXPECT_EQ(first(length), "segment") << length;
    for (const std::size_t length : {60U, 61U, 64U, 0x7fffU, 0xffffU}) {
      EXPECT_EQ(first(length), "truncated") << length;
    }
    // The packet ends where its attribute does.
    const auto whole = [&](std::size_t length) {
      return outcome_of(nflog,
                        Nflog(little).attribute(3, some(4)).attribute(9, packet, length).bytes());
    };
    for (std::size_t length = 0; length <= 4; ++length) EXPECT_EQ(whole(length), "not_ip");
    for (std::size_t length = 5; length < 4 + 34; ++length) EXPECT_EQ(whole(length), "truncated");
    EXPECT_EQ(whole(4 + 34), "segment");
    EXPECT_EQ(whole(0xffff), "segment");
  }
}

TEST(LinkVariants, NflogWhatFollowsThePacketIsNoPartOfIt) {
  const PacketBuilder packet = syn().data(50).ip_length(0);
  const Octets bytes = Nflog(true)
                           .attribute(1, some(4))
                           .attribute(9, packet.network())
                           .attribute(10, some(40))
                           .bytes();
  EXPECT_EQ(seen(decode_bytes(nflog, bytes).segment), built(packet, 50));
}

TEST(LinkVariants, NflogOfOtherFamiliesAndVersions) {
  const Octets packet = syn().network();
  for (unsigned family = 0; family < 256; ++family) {
    const bool any = family == 1 || family == 5 || family == 7;
    const auto what = outcome_of(nflog, Nflog(true, family).attribute(9, packet).bytes());
    EXPECT_EQ(what, family == 2 || any ? "segment"
                    : family == 10     ? "bad_ip_header"
                                       : "not_ip")
        << family;
  }
  for (unsigned version = 1; version < 256; ++version) {
    EXPECT_EQ(outcome_of(nflog, Nflog(true, 2, version).attribute(9, packet).bytes()), "not_ip");
  }
  // A bridge logs any protocol; ARP begins with a zero byte.
  EXPECT_EQ(outcome_of(nflog, Nflog(true, 7).attribute(9, octets({0, 1, 8, 0})).bytes()), "not_ip");
}

TEST(LinkVariants, NflogAttributesAreBounded) {
  for (const bool little : {false, true}) {
    for (const std::size_t count : {62U, 63U, 64U, 65U, 200U}) {
      Nflog message(little);
      for (std::size_t i = 0; i < count; ++i) message.attribute(1, {});
      const Octets bytes = message.attribute(9, syn().network()).bytes();
      EXPECT_EQ(outcome_of(nflog, bytes), count < 64 ? "segment" : "not_ip") << count;
    }
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
