// Link headers of capture files, PPPoE sessions and MPLS labels: cut at every byte, and nested.

#include "flowtable/link_header.h"

#include <vector>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::test::append;
using tcpeek::test::put16;
using tcpeek::test::put32;
using tcpeek::test::put8;

using enum LinkFraming;

constexpr std::uint16_t kPppoe = 0x8864;
constexpr std::uint16_t kMpls = 0x8847;
constexpr std::uint16_t kMplsUpstream = 0x8848;
constexpr std::uint32_t kIndex = 0x01020304;  // of the interface, in the second cooked header

PacketBuilder syn(bool v6 = false) {
  return PacketBuilder(v6 ? "an IPv6 SYN" : "an IPv4 SYN")
      .ip(v6 ? "2001:db8::1" : "192.0.2.1", v6 ? "2001:db8::2" : "198.51.100.2")
      .tcp(40000, 80)
      .seq(0xfedcba98)
      .flags(tcp_flag::syn)
      .data(5);
}

// A packet behind a link header and what else stands before it.
struct Framed {
  LinkFraming link = ethernet;
  Octets header;
  std::uint16_t ethertype = 0;  // for network
};

// As Linux writes it on a little-endian host, up to the packet. It ends where the longest does.
Octets nflog_header(unsigned family_number) {
  Octets header;
  for (const unsigned byte :
       {family_number, 0U, 0U, 5U, 8U, 0U, 1U, 0U, 8U, 0U, 3U, 0U, 0xffU, 0xffU, 9U, 0U}) {
    put8(header, byte);
  }
  return header;
}

Framed header_of(LinkFraming link, std::uint16_t ethertype) {
  Framed f{link, {}, ethertype};
  switch (link) {
    case ethernet:
      f.header.resize(12, std::byte{2});
      put16(f.header, ethertype);
      break;
    case cooked:
      f.header.resize(14, std::byte{0x11});
      put16(f.header, ethertype);
      break;
    case cooked_v2:
      put16(f.header, ethertype);
      put16(f.header, 0);
      put32(f.header, kIndex);
      f.header.resize(20, std::byte{0x11});
      break;
    case family:
      put32(f.header, ethertype == 0x86dd ? 24 : 2);
      break;
    case nflog:
      f.header = nflog_header(ethertype == 0x86dd ? 10 : 2);
      break;
    case network:
    case raw_ip:
      break;
  }
  return f;
}

Framed& add_tag(Framed& f, std::uint16_t ethertype) {
  put16(f.header, 0xe007);
  put16(f.header, ethertype);
  return f;
}

Framed& add_pppoe(Framed& f, unsigned protocol, unsigned version_type = 0x11, unsigned code = 0) {
  put8(f.header, version_type);
  put8(f.header, code);
  put16(f.header, 0x1234);
  put16(f.header, 0xffff);  // a length, which nobody needs
  put16(f.header, protocol);
  return f;
}

Framed& add_labels(Framed& f, std::size_t count, bool bottom = true) {
  for (std::size_t i = 1; i <= count; ++i) {
    put16(f.header, 0xffff);
    put8(f.header, i == count && bottom ? 0xff : 0xfe);
    put8(f.header, 64);
  }
  return f;
}

Frame frame_at(const Framed& f, std::size_t wire_length) {
  Frame frame;
  frame.wire_length = static_cast<std::uint32_t>(wire_length);
  frame.ethertype = f.ethertype;
  frame.interface = kInterface;
  frame.time = kTime;
  return frame;
}

Octets bytes_of(const Framed& f, const PacketBuilder& packet) {
  Octets bytes = f.header;
  append(bytes, packet.network());
  return bytes;
}

// Decodes at the strictest level and, whatever the packet, at the laxest: the same must come out.
Decoded decode_framed(const Framed& f, const PacketBuilder& packet, std::size_t captured = kAll) {
  const Octets bytes = bytes_of(f, packet);
  const Frame frame = frame_at(f, bytes.size());
  const Decoded lax = decode_copy(f.link, Verify::none, frame, bytes, captured);
  const Decoded strict = decode_copy(f.link, Verify::ip_and_transport, frame, bytes, captured);
  EXPECT_EQ(lax.what, strict.what);
  EXPECT_EQ(seen(lax.segment), seen(strict.segment));
  EXPECT_EQ(lax.segment.interface, strict.segment.interface);
  return strict;
}

std::string_view outcome_framed(const Framed& f, const PacketBuilder& packet = syn()) {
  return decode_framed(f, packet).what;
}

// The SYN comes out, and cut anywhere it is truncated before its flags are captured.
void expect_segment(const Framed& f, bool v6) {
  const PacketBuilder packet = syn(v6);
  const std::size_t through_flags = f.header.size() + (v6 ? 40 : 20) + 14;
  const std::size_t size = bytes_of(f, packet).size();
  for (std::size_t captured = 0; captured <= size; ++captured) {
    const Decoded d = decode_framed(f, packet, captured);
    ASSERT_EQ(d.what, captured < through_flags ? "truncated" : "segment")
        << captured << " of " << size;
    if (captured < through_flags) continue;
    ASSERT_EQ(seen(d.segment), built(packet, 5));
    ASSERT_EQ(d.segment.time, kTime);
    ASSERT_EQ(d.segment.interface, f.link == cooked_v2 ? kIndex : kInterface);
  }
}

constexpr LinkFraming kAllLinks[] = {ethernet, network, raw_ip, cooked, cooked_v2, family, nflog};
// Those that tell an ethertype.
constexpr LinkFraming kTypedLinks[] = {ethernet, network, cooked, cooked_v2};

std::uint16_t ethertype_of(bool v6) {
  return v6 ? kEtherIpv6 : kEtherIpv4;
}

TEST(LinkHeader, EveryLinkTypeWithBothFamiliesAndEveryCut) {
  for (const LinkFraming link : kAllLinks) {
    for (const bool v6 : {false, true}) {
      SCOPED_TRACE(static_cast<int>(link));
      expect_segment(header_of(link, ethertype_of(v6)), v6);
    }
  }
}

TEST(LinkHeader, AnythingButIpIsNotIp) {
  for (const LinkFraming link : kTypedLinks) {
    for (const unsigned type : {0x05ddU, 0x05ffU, 0x0600U, 0x0806U, 0x0801U, 0x86dcU, 0x8846U,
                                0x8849U, 0x8863U, 0x8865U, 0x9101U, 0xffffU}) {
      const Framed f = header_of(link, static_cast<std::uint16_t>(type));
      EXPECT_EQ(outcome_framed(f), "not_ip") << static_cast<int>(link) << ' ' << type;
      EXPECT_EQ(decode_framed(f, syn(), f.header.size()).what, "not_ip") << "the header is enough";
    }
  }
}

TEST(LinkHeader, EthertypeOfTheOtherFamilyIsABadHeader) {
  for (const LinkFraming link : kTypedLinks) {
    EXPECT_EQ(outcome_framed(header_of(link, kEtherIpv6), syn(false).data(60)), "bad_ip_header");
    EXPECT_EQ(outcome_framed(header_of(link, kEtherIpv4), syn(true)), "bad_ip_header");
  }
}

TEST(LinkHeader, RawPacketsAreWhatTheirFirstNibbleSays) {
  for (unsigned version = 0; version < 16; ++version) {
    Octets bytes = syn().network();
    bytes[0] = static_cast<std::byte>(version << 4 | 5);
    const Framed f = header_of(raw_ip, 0);
    const auto what = decode_copy(f.link, Verify::none, frame_at(f, bytes.size()), bytes).what;
    if (version == 4) {
      EXPECT_EQ(what, "segment");
    } else if (version == 6) {
      EXPECT_NE(what, "not_ip");
    } else {
      EXPECT_EQ(what, "not_ip") << version;
    }
  }
}

TEST(LinkHeader, RawPacketsTakeNoWordOfTheFrames) {
  Framed f = header_of(raw_ip, kEtherIpv6);
  expect_segment(f, false);
  f.ethertype = 0x0806;
  expect_segment(f, true);
}

TEST(LinkHeader, FamiliesInEitherByteOrder) {
  for (unsigned number = 0; number <= 0x1ff; ++number) {
    const bool v4 = number == 2;
    const bool v6 = number == 10 || number == 24 || number == 28 || number == 30;
    Framed big = header_of(family, 0);
    big.header.clear();
    put32(big.header, number);
    Framed little = big;
    std::reverse(little.header.begin(), little.header.end());
    for (const Framed& f : {big, little}) {
      if (v4 || v6) {
        expect_segment(f, v6);
      } else {
        EXPECT_EQ(outcome_framed(f, syn(false)), "not_ip") << number;
        EXPECT_EQ(outcome_framed(f, syn(true)), "not_ip") << number;
      }
    }
  }
}

TEST(LinkHeader, FamilyWithOtherBytesSetIsNone) {
  for (const std::uint32_t number : {0x00020000U, 0x02000002U, 0x00000200U, 0x0200ffffU,
                                     0x01000002U, 0x02000100U, 0xffffffffU}) {
    Framed f{family, {}, 0};
    put32(f.header, number);
    EXPECT_EQ(outcome_framed(f), "not_ip") << std::hex << number;
  }
}

TEST(LinkHeader, InterfaceOfTheSecondCookedHeaderIsTheSegments) {
  for (const std::uint32_t index : {0U, 1U, 255U, 256U, 65'536U, 0xffffffffU}) {
    Octets bytes;
    put32(bytes, std::uint32_t{kEtherIpv4} << 16);
    put32(bytes, index);
    bytes.resize(20);
    append(bytes, syn().network());
    const Framed f{cooked_v2, {}, 0};
    const Decoded d = decode_copy(f.link, Verify::none, frame_at(f, bytes.size()), bytes);
    EXPECT_EQ(d.what, "segment");
    EXPECT_EQ(d.segment.interface, index);
  }
}

// --- Labels ---

TEST(LinkHeader, LabelsOfEveryDepth) {
  for (const std::uint16_t type : {kMpls, kMplsUpstream}) {
    for (const LinkFraming link : kTypedLinks) {
      for (std::size_t labels = 1; labels <= 18; ++labels) {
        for (const bool v6 : {false, true}) {
          Framed f = header_of(link, type);
          add_labels(f, labels);
          if (labels <= 16) {
            expect_segment(f, v6);
          } else {
            EXPECT_EQ(outcome_framed(f, syn(v6)), "not_ip") << labels;
          }
        }
      }
    }
  }
}

TEST(LinkHeader, LabelsWithoutABottom) {
  // What follows is taken for labels: it ends before the bottom, or there are too many.
  for (std::size_t labels = 0; labels <= 40; ++labels) {
    Framed f = header_of(ethernet, kMpls);
    add_labels(f, labels, false);
    const Frame frame = frame_at(f, f.header.size());
    EXPECT_EQ(decode_copy(f.link, Verify::none, frame, f.header).what,
              labels < 16 ? "truncated" : "not_ip")
        << labels;
  }
}

TEST(LinkHeader, BelowTheLabelsTheFirstNibbleTells) {
  for (unsigned version = 0; version < 16; ++version) {
    Framed f = header_of(ethernet, kMpls);
    add_labels(f, 2);
    Octets bytes = bytes_of(f, syn().data(60));
    bytes[f.header.size()] = static_cast<std::byte>(version << 4 | 5);
    const auto what = decode_copy(f.link, Verify::none, frame_at(f, bytes.size()), bytes).what;
    if (version == 4) {
      EXPECT_EQ(what, "segment");
    } else if (version == 6) {
      EXPECT_NE(what, "not_ip");
    } else {
      EXPECT_EQ(what, "not_ip") << version;
    }
  }
}

// --- PPPoE ---

TEST(LinkHeader, SessionsOfBothFamilies) {
  for (const LinkFraming link : kTypedLinks) {
    for (const bool v6 : {false, true}) {
      Framed f = header_of(link, kPppoe);
      expect_segment(add_pppoe(f, v6 ? 0x57 : 0x21), v6);
    }
  }
}

TEST(LinkHeader, OtherProtocolsOfASessionAreNotIp) {
  for (const unsigned protocol : {0x0000U, 0x0020U, 0x0022U, 0x0056U, 0x0058U, 0x0281U, 0x2000U,
                                  0x8021U, 0x8057U, 0xc021U, 0xc223U, 0x0800U, 0x86ddU}) {
    Framed f = header_of(ethernet, kPppoe);
    EXPECT_EQ(outcome_framed(add_pppoe(f, protocol)), "not_ip") << protocol;
    EXPECT_EQ(decode_framed(f, syn(), f.header.size()).what, "not_ip");
    EXPECT_EQ(decode_framed(f, syn(), f.header.size() - 1).what, "truncated");
  }
}

TEST(LinkHeader, ProtocolOfASessionAndThePacketMustAgree) {
  Framed f = header_of(ethernet, kPppoe);
  EXPECT_EQ(outcome_framed(add_pppoe(f, 0x57), syn(false).data(60)), "bad_ip_header");
  Framed g = header_of(ethernet, kPppoe);
  EXPECT_EQ(outcome_framed(add_pppoe(g, 0x21), syn(true)), "bad_ip_header");
}

// --- One on top of the other ---

TEST(LinkHeader, TagsBeforeASessionOrLabels) {
  constexpr std::uint16_t kTags[] = {0x8100, 0x88a8, 0x9100};
  for (const LinkFraming link : kTypedLinks) {
    for (std::size_t tags = 0; tags <= 9; ++tags) {
      for (const std::uint16_t inner : {kEtherIpv4, kPppoe, kMpls, kMplsUpstream}) {
        Framed f = header_of(link, tags == 0 ? inner : kTags[0]);
        for (std::size_t i = 1; i <= tags; ++i) add_tag(f, i == tags ? inner : kTags[i % 3]);
        if (inner == kPppoe) add_pppoe(f, 0x21);
        if (inner == kMpls || inner == kMplsUpstream) add_labels(f, 3);
        SCOPED_TRACE(testing::Message() << static_cast<int>(link) << ", " << tags << " tags before "
                                        << std::hex << inner);
        if (tags <= 8) {
          expect_segment(f, false);
        } else {
          EXPECT_EQ(outcome_framed(f), "not_ip");
        }
      }
    }
  }
}

// What stands below a session or below labels is IP or nothing: no tags, no second session.
TEST(LinkHeader, NothingStandsBelowASessionOrLabels) {
  Framed session = header_of(ethernet, kPppoe);
  add_pppoe(session, kMpls);
  EXPECT_EQ(outcome_framed(add_labels(session, 1)), "not_ip");
  Framed labels = header_of(ethernet, kMpls);
  add_labels(labels, 1);
  EXPECT_EQ(outcome_framed(add_pppoe(labels, 0x21)), "not_ip");
}

TEST(LinkHeader, TotalLengthZeroIsWhatIsLeftBehindAllHeaders) {
  const PacketBuilder packet = syn().data(500).ip_length(0);
  std::vector<Framed> all;
  for (const LinkFraming link : kAllLinks) all.push_back(header_of(link, kEtherIpv4));
  all.push_back(header_of(ethernet, kPppoe));
  add_pppoe(all.back(), 0x21);
  all.push_back(header_of(cooked, kMpls));
  add_labels(all.back(), 4);
  all.push_back(header_of(cooked_v2, 0x8100));
  add_pppoe(add_tag(all.back(), kPppoe), 0x21);
  for (const Framed& f : all) {
    const Octets bytes = bytes_of(f, packet);
    const auto on_wire = [&](std::size_t wire_length) {
      return decode_copy(f.link, Verify::none, frame_at(f, wire_length), bytes);
    };
    EXPECT_EQ(seen(on_wire(bytes.size()).segment), built(packet, 500));
    EXPECT_EQ(on_wire(f.header.size() + 40).segment.payload, 0);
    EXPECT_EQ(on_wire(f.header.size() + 39).what, "bad_tcp_header");
    EXPECT_EQ(on_wire(f.header.size()).what, "bad_ip_header");
    EXPECT_EQ(on_wire(0).what, "bad_ip_header");
  }
}

TEST(LinkHeader, PaddingBehindASessionIsNoPayload) {
  Framed f = header_of(ethernet, kPppoe);
  add_pppoe(f, 0x21);
  Octets bytes = bytes_of(f, syn());
  bytes.resize(bytes.size() + 30, std::byte{0xee});
  const Frame frame = frame_at(f, bytes.size());
  EXPECT_EQ(seen(decode_copy(f.link, Verify::ip_and_transport, frame, bytes).segment),
            built(syn(), 5));
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
