// ICMP and ICMPv6 errors and the TCP they quote: each rule of the decoder at its boundary.

#include <initializer_list>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

// Who asks whom, and who says that it cannot be.
struct Family {
  const char* client;
  const char* server;
  const char* router;
  std::uint8_t type;      // destination unreachable
  std::size_t ip_header;  // without options or extension headers
};

constexpr Family kV4{"192.0.2.1", "198.51.100.2", "203.0.113.9", 3, 20};
constexpr Family kV6{"2001:db8::1", "2001:db8:ffff::2", "2001:db8:9::9", 1, 40};
constexpr Family kBoth[] = {kV4, kV6};

PacketBuilder syn(const Family& f) {
  return PacketBuilder("the quoted SYN")
      .ip(f.client, f.server)
      .tcp(40000, 80)
      .seq(0x89abcdef)
      .ack(0x01020304)
      .flags(tcp_flag::syn)
      .tcp_options(20)
      .data(11);
}

PacketBuilder error(const Family& f, std::string description = "an ICMP error") {
  return PacketBuilder(std::move(description)).ip(f.router, f.client).icmp(f.type, 1);
}

PacketBuilder error_about(const Family& f, const PacketBuilder& packet,
                          std::size_t at_most = kAll) {
  return error(f, packet.description()).quoting(packet.network(), at_most);
}

void expect_unreachable(const PacketBuilder& packet, const PacketBuilder& about) {
  const Decoded d = decode_packet(packet);
  EXPECT_EQ(d.what, "segment") << packet.description();
  EXPECT_EQ(seen(d.segment), quoted(about)) << packet.description();
  EXPECT_EQ(d.segment.interface, kInterface);
  EXPECT_EQ(d.segment.time, kTime);
  EXPECT_FALSE(d.segment.opens());
}

// Destination unreachable, time exceeded, parameter problem.
bool ends_attempts(const Family& f, unsigned type) {
  if (f.ip_header == 40) return type == 1 || type == 3 || type == 4;
  return type == 3 || type == 11 || type == 12;
}

TEST(DecodeIcmp, Type3OfIcmpv4AllCodesButFragmentationNeeded) {
  for (unsigned code = 0; code < 256; ++code) {
    const auto packet = error_about(kV4, syn(kV4)).icmp(3, static_cast<std::uint8_t>(code));
    if (code == 4) {
      EXPECT_EQ(outcome(packet), "other_icmp");
    } else {
      expect_unreachable(packet, syn(kV4));
    }
  }
}

TEST(DecodeIcmp, SaysWhoSentItAndWhat) {
  for (const Family& f : kBoth) {
    const Segment s = decode_packet(error_about(f, syn(f)).icmp(f.type, 3)).segment;
    const IcmpError expected{.router = endpoint(f.router, 0).address,
                             .type = f.type,
                             .code = 3,
                             .v6 = f.ip_header == 40};
    EXPECT_EQ(s.icmp_error(), expected) << f.router;
  }
}

TEST(DecodeIcmp, AllCodesOfTheOtherErrorsThatEndAttempts) {
  for (unsigned code = 0; code < 256; ++code) {
    const auto c = static_cast<std::uint8_t>(code);
    for (const auto type : std::initializer_list<std::uint8_t>{11, 12}) {
      expect_unreachable(error_about(kV4, syn(kV4)).icmp(type, c), syn(kV4));
    }
    for (const auto type : std::initializer_list<std::uint8_t>{1, 3, 4}) {
      expect_unreachable(error_about(kV6, syn(kV6)).icmp(type, c), syn(kV6));
    }
  }
}

TEST(DecodeIcmp, NoOtherTypeEndsAnAttempt) {
  for (const Family& f : kBoth) {
    for (unsigned type = 0; type < 256; ++type) {
      if (ends_attempts(f, type)) continue;
      for (const auto code : std::initializer_list<std::uint8_t>{0, 1, 3}) {
        const auto packet = error_about(f, syn(f)).icmp(static_cast<std::uint8_t>(type), code);
        EXPECT_EQ(outcome(packet), "other_icmp") << type << ", from " << f.router;
      }
    }
  }
}

TEST(DecodeIcmp, TheOtherFamilysProtocolNumberIsNoIcmp) {
  for (const auto type : std::initializer_list<std::uint8_t>{1, 3}) {
    EXPECT_EQ(outcome(error_about(kV4, syn(kV4)).icmp(type, 1).protocol(58)), "not_tcp");
    EXPECT_EQ(outcome(error_about(kV6, syn(kV6)).icmp(type, 1).protocol(1)), "not_tcp");
  }
}

TEST(DecodeIcmp, AQuoteOfTheOtherFamilyIsNone) {
  EXPECT_EQ(outcome(error_about(kV4, syn(kV6))), "other_icmp");
  EXPECT_EQ(outcome(error_about(kV6, syn(kV4))), "other_icmp");
}

TEST(DecodeIcmp, EightBytesOfTcpAreEnoughAndSevenAreNot) {
  for (const Family& f : kBoth) {
    const std::size_t whole = syn(f).network().size();
    for (std::size_t length = 0; length <= whole; ++length) {
      const PacketBuilder packet = error_about(f, syn(f), length);
      if (length < f.ip_header + 8) {
        EXPECT_EQ(outcome(packet), "other_icmp") << length;
      } else {
        expect_unreachable(packet, syn(f));
      }
    }
  }
}

TEST(DecodeIcmp, InnerIpv4Options) {
  for (std::size_t options = 4; options <= 40; options += 4) {
    const PacketBuilder about = syn(kV4).ip_options(options);
    expect_unreachable(error_about(kV4, about, 20 + options + 8), about);
    EXPECT_EQ(outcome(error_about(kV4, about, 20 + options + 7)), "other_icmp");
    EXPECT_EQ(outcome(error_about(kV4, about, 20 + options - 1)), "other_icmp");
  }
}

TEST(DecodeIcmp, InnerExtensionHeaders) {
  for (const auto type : std::initializer_list<std::uint8_t>{0, 43, 44, 51, 60, 135, 139, 140}) {
    PacketBuilder about = syn(kV6);
    for (std::size_t count = 1; count <= 9; ++count) {
      about.extension(type);
      const std::size_t enough = about.parts().transport_offset() + 8;
      if (count == 9) {
        EXPECT_EQ(outcome(error_about(kV6, about)), "other_icmp");
        continue;
      }
      expect_unreachable(error_about(kV6, about, enough), about);
      EXPECT_EQ(outcome(error_about(kV6, about, enough - 1)), "other_icmp");
      EXPECT_EQ(outcome(error_about(kV6, about, enough - 8 - 1)), "other_icmp");
    }
  }
  const PacketBuilder long_one = syn(kV6).extension(51, 28).extension(60, 24);
  expect_unreachable(error_about(kV6, long_one), long_one);
}

TEST(DecodeIcmp, InnerAuthenticationHeaderOfIpv4) {
  for (std::size_t count = 1; count <= 9; ++count) {
    PacketBuilder about = syn(kV4);
    for (std::size_t i = 0; i < count; ++i) about.extension(51, 24);
    const std::size_t enough = about.parts().transport_offset() + 8;
    if (count == 9) {
      EXPECT_EQ(outcome(error_about(kV4, about)), "other_icmp");
    } else {
      expect_unreachable(error_about(kV4, about, enough), about);
      EXPECT_EQ(outcome(error_about(kV4, about, enough - 1)), "other_icmp");
    }
  }
}

// Where the quoted SYN was under way, its last segment is whom it was for.
TEST(DecodeIcmp, InnerRoutingHeaders) {
  PacketBuilder about =
      syn(kV6).ip(kV6.client, "2001:db8:5::5").route(4, 1, {kV6.server, "2001:db8:5::5"});
  Seen expected = quoted(about);
  expected.destination.address = Address(kV6.server).bytes;
  EXPECT_EQ(seen(decode_packet(error_about(kV6, about)).segment), expected);
}

// Old stacks quote IPv4's fragment field in their own byte order: DF then looks like an offset.
TEST(DecodeIcmp, InnerFragmentFieldOfIpv4SaysNothing) {
  const PacketBuilder first = syn(kV4).fragment(0, true).keep(8);
  expect_unreachable(error_about(kV4, first), first);
  for (unsigned field = 1; field <= 0x1fff; field = field * 2 + 1) {
    for (const bool more : {false, true}) {
      const PacketBuilder about = syn(kV4).fragment(field, more);
      expect_unreachable(error_about(kV4, about, 28), about);
    }
  }
  expect_unreachable(error_about(kV4, syn(kV4).fragment(0x0040, false)), syn(kV4));
}

TEST(DecodeIcmp, InnerFragmentsOfIpv6) {
  const PacketBuilder first = syn(kV6).fragment_header(0, true).keep(8);
  expect_unreachable(error_about(kV6, first), first);
  EXPECT_EQ(outcome(error_about(kV6, syn(kV6).fragment_header(1, true))), "other_icmp");
  EXPECT_EQ(outcome(error_about(kV6, syn(kV6).fragment_header(181, false))), "other_icmp");
}

// Linux does not look at them, and gives up.
TEST(DecodeIcmp, InnerLengthsAreNotBelieved) {
  for (const Family& f : kBoth) {
    for (const std::size_t length : {0U, 1U, 7U, 8U, 19U, 20U, 21U, 27U, 28U, 39U, 40U, 60U,
                                     0x3c00U, 0x7fffU, 0xfffeU, 0xffffU}) {
      const PacketBuilder about = syn(f).ip_length(length);
      expect_unreachable(error_about(f, about), about);
      expect_unreachable(error_about(f, about, f.ip_header + 8), about);
      EXPECT_EQ(outcome(error_about(f, about, f.ip_header + 7)), "other_icmp") << length;
    }
    const PacketBuilder with_extension = f.ip_header == 20 ? syn(f).extension(51, 12).ip_length(20)
                                                           : syn(f).extension(60).ip_length(4);
    expect_unreachable(error_about(f, with_extension), with_extension);
  }
}

TEST(DecodeIcmp, InnerHeadersThatLie) {
  for (std::uint8_t words = 0; words < 5; ++words) {
    EXPECT_EQ(outcome(error_about(kV4, syn(kV4).ip_header_words(words))), "other_icmp");
  }
  EXPECT_EQ(outcome(error_about(kV4, syn(kV4).ip_header_words(15), 60 + 7)), "other_icmp");
  EXPECT_EQ(outcome(error_about(kV4, syn(kV4).ip_version(6))), "other_icmp");
  EXPECT_EQ(outcome(error_about(kV6, syn(kV6).ip_version(4))), "other_icmp");
  EXPECT_EQ(outcome(error_about(kV6, syn(kV6).ip("::ffff:192.0.2.1", kV6.server))), "other_icmp");
  EXPECT_EQ(outcome(error_about(kV6, syn(kV6).extension(60).extension_units(250))), "other_icmp");
  EXPECT_EQ(outcome(error_about(kV6, syn(kV6).route(0, 9, {kV6.server}))), "other_icmp");
}

TEST(DecodeIcmp, TheQuotedLengthsMayExceedTheQuote) {
  for (const Family& f : kBoth) {
    const PacketBuilder about = syn(f).data(1400).ip_length(1460);
    expect_unreachable(error_about(f, about, f.ip_header + 8), about);
  }
  // Segmentation offload leaves the field at zero.
  const PacketBuilder offloaded = syn(kV4).ip_length(0);
  expect_unreachable(error_about(kV4, offloaded, 28), offloaded);
}

TEST(DecodeIcmp, WhatFollowsTheQuoteIsNoPartOfIt) {
  // RFC 4884: the quote is padded to 128 bytes, and extension objects follow.
  for (const Family& f : kBoth) {
    expect_unreachable(error_about(f, syn(f)).data(100), syn(f));
    // The error itself does end where its own header says, whatever the frame is padded with.
    const PacketBuilder seven = error_about(f, syn(f), f.ip_header + 7).padding(30);
    EXPECT_EQ(outcome(seven), "other_icmp");
  }
}

TEST(DecodeIcmp, OnlyQuotesOfTcpCount) {
  for (const Family& f : kBoth) {
    for (const auto protocol : std::initializer_list<std::uint8_t>{17, 132, 1, 58, 59}) {
      const PacketBuilder about = PacketBuilder().ip(f.client, f.server).raw(protocol, 40);
      EXPECT_EQ(outcome(error_about(f, about)), "other_icmp") << int{protocol};
    }
    EXPECT_EQ(outcome(error_about(f, error_about(f, syn(f)))), "other_icmp")
        << "a quote in a quote";
  }
}

TEST(DecodeIcmp, TheSenderIsThatOfTheQuotedSegment) {
  for (const Family& f : kBoth) {
    const PacketBuilder answer = syn(f).ip(f.server, f.client).tcp(80, 40000);
    const Segment up = decode_packet(error_about(f, syn(f))).segment;
    const Segment down = decode_packet(error_about(f, answer)).segment;
    EXPECT_EQ(up.key, down.key);
    EXPECT_NE(up.sender, down.sender);
    const Segment segment = decode_packet(syn(f)).segment;
    EXPECT_EQ(up.key, segment.key);
    EXPECT_EQ(up.sender, segment.sender);
  }
}

TEST(DecodeIcmp, TheHeaderMustBeWhole) {
  for (const Family& f : kBoth) {
    const PacketBuilder packet = error_about(f, syn(f));
    for (std::size_t length = 1; length < 8; ++length) {
      const std::size_t field = (f.ip_header == 20 ? 20U : 0U) + length;
      EXPECT_EQ(outcome(PacketBuilder(packet).ip_length(field)), "other_icmp") << length;
      EXPECT_EQ(outcome_of_first(f.ip_header + length, packet), "truncated") << length;
    }
  }
}

TEST(DecodeIcmp, ACaptureThatEndsInTheQuoteIsTruncated) {
  for (const Family& f : kBoth) {
    const PacketBuilder packet = error_about(f, syn(f));
    const std::size_t enough = f.ip_header + 8 + f.ip_header + 8;
    for (std::size_t captured = f.ip_header + 8; captured < enough; ++captured) {
      ASSERT_EQ(outcome_of_first(captured, packet), "truncated") << captured << " of " << enough;
    }
    EXPECT_EQ(outcome_of_first(enough, packet), "segment");
  }
}

TEST(DecodeIcmp, OuterOptionsExtensionsAndFragments) {
  const PacketBuilder options = error_about(kV4, syn(kV4)).ip_options(40);
  expect_unreachable(options, syn(kV4));
  const PacketBuilder extensions =
      error_about(kV6, syn(kV6)).extension(0, 16).routing(0).fragment_header(0, false);
  expect_unreachable(extensions, syn(kV6));
  expect_unreachable(error_about(kV4, syn(kV4)).fragment(0, true).keep(8 + 28), syn(kV4));
  EXPECT_EQ(outcome(error_about(kV4, syn(kV4)).fragment(1, false)), "later_fragment");
  EXPECT_EQ(outcome(error_about(kV6, syn(kV6)).fragment_header(1, false)), "later_fragment");
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
