// Whose connection a packet belongs to where the addresses in its IP header do not say: routing headers
// with segments left, mobile nodes, locators. And AH before TCP, in IPv4 too.

#include <initializer_list>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::test::append;
using tcpeek::test::put8;

const char* const kClient = "2001:db8::1";
const char* const kServer = "2001:db8:ffff::2";
const char* const kHop = "2001:db8:5::5";
const char* const kOther = "2001:db8:6::6";
const char* const kMapped = "::ffff:192.0.2.1";

constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kDestination = 60;

Look strict() {
  Look look;
  look.verify = Verify::ip_and_transport;
  return look;
}

// On its way to a hop, checksummed for the end of the way.
PacketBuilder on_the_way(const char* destination = kHop) {
  return PacketBuilder("a SYN on its way")
      .ip(kClient, destination)
      .checksummed_for(kClient, kServer)
      .tcp(40000, 443)
      .seq(0xfedcba98)
      .flags(tcp_flag::syn)
      .data(3);
}

Seen between(const PacketBuilder& packet, const char* source, const char* destination) {
  Seen s = built(packet, packet.parts().data);
  s.source.address = Address(source).bytes;
  s.destination.address = Address(destination).bytes;
  return s;
}

// The checksum says so too; and no cut of the packet says otherwise.
void expect_between(const PacketBuilder& packet, const char* source, const char* destination) {
  const Decoded d = decode_packet(packet, strict());
  ASSERT_EQ(d.what, "segment");
  EXPECT_EQ(seen(d.segment), between(packet, source, destination));
  EXPECT_EQ(outcome(PacketBuilder(packet).wrong_transport_checksum(), strict()),
            "transport_checksum");
  const std::size_t enough = packet.parts().transport_offset() + 14;
  for (std::size_t captured = 0; captured <= packet.network().size(); ++captured) {
    Look look;
    look.captured = captured;
    const Decoded cut = decode_packet(packet, look);
    ASSERT_EQ(cut.what, captured < enough ? "truncated" : "segment") << captured;
    if (captured >= enough) {
      ASSERT_EQ(seen(cut.segment), seen(d.segment)) << captured;
    }
  }
}

TEST(DecodeAddresses, LastOfATypeZeroList) {
  for (std::uint8_t left = 1; left <= 3; ++left) {
    expect_between(on_the_way().route(0, left, {kOther, kHop, kServer}), kClient, kServer);
  }
  expect_between(on_the_way().route(0, 1, {kServer}), kClient, kServer);
}

TEST(DecodeAddresses, FirstOfASegmentList) {
  for (std::uint8_t left = 1; left <= 3; ++left) {
    expect_between(on_the_way().route(4, left, {kServer, kHop, kOther}), kClient, kServer);
  }
  // Reduced: the segment visited first is not in the list.
  expect_between(on_the_way().route(4, 2, {kServer, kHop}), kClient, kServer);
  expect_between(on_the_way().route(4, 1, {kServer}), kClient, kServer);
  // Behind the list may stand options.
  PacketBuilder with_options = on_the_way().route(4, 1, {kServer, kHop, kOther});
  Octets fewer{std::byte{4}, std::byte{1}, std::byte{1}};
  expect_between(with_options.extension_body(fewer), kClient, kServer);
}

TEST(DecodeAddresses, NoSegmentsLeft) {
  for (const auto type : std::initializer_list<std::uint8_t>{0, 2, 3, 4, 5, 253}) {
    const PacketBuilder packet = on_the_way(kServer).route(type, 0, {kOther});
    expect_between(packet, kClient, kServer);
  }
  // Then nothing else in it matters.
  const PacketBuilder odd = on_the_way(kServer).extension(kRouting, 8);
  expect_between(odd, kClient, kServer);
}

TEST(DecodeAddresses, HomeAddressOfATypeTwoHeader) {
  expect_between(on_the_way().route(2, 1, {kServer}), kClient, kServer);
  EXPECT_EQ(outcome(on_the_way().route(2, 2, {kServer})), "extension_headers");
  EXPECT_EQ(outcome(on_the_way().route(2, 1, {kHop, kServer})), "extension_headers");
  EXPECT_EQ(outcome(on_the_way().route(2, 1, {})), "extension_headers");
}

// RFC 6554: the addresses share CmprI or, the last one, CmprE bytes with the destination.
PacketBuilder rpl(unsigned shared, unsigned shared_by_last, std::size_t hops, std::uint8_t left) {
  Octets list;
  for (std::size_t i = 0; i < hops; ++i) {
    for (std::size_t at = shared; at < 16; ++at) put8(list, 0x40 + i);
  }
  for (std::size_t at = shared_by_last; at < 16; ++at) put8(list, Address(kServer).bytes[at]);
  const std::size_t padding = (8 - list.size() % 8) % 8;
  list.resize(list.size() + padding);
  Octets body;
  for (const std::size_t byte :
       {std::size_t{3}, std::size_t{left}, std::size_t{shared << 4 | shared_by_last}, padding << 4,
        std::size_t{0}, std::size_t{0}}) {
    put8(body, byte);
  }
  append(body, list);
  // A hop with the first bytes of the server's address.
  Address hop(kServer);
  hop.bytes[15] ^= 0x77;
  return PacketBuilder("over an RPL network")
      .ip(kClient, hop)
      .checksummed_for(kClient, kServer)
      .extension(kRouting, 2 + body.size())
      .extension_body(body)
      .tcp(40000, 443)
      .flags(tcp_flag::syn);
}

TEST(DecodeAddresses, LastOfAnRplList) {
  for (unsigned shared = 0; shared < 16; ++shared) {
    for (unsigned last = 0; last < 16; ++last) {
      for (std::size_t hops = 0; hops < 4; ++hops) {
        const PacketBuilder packet = rpl(shared, last, hops, 1);
        const Decoded d = decode_packet(packet, strict());
        ASSERT_EQ(d.what, "segment") << shared << ' ' << last << ' ' << hops;
        ASSERT_EQ(seen(d.segment), between(packet, kClient, kServer));
      }
    }
  }
  expect_between(rpl(8, 14, 3, 4), kClient, kServer);
  EXPECT_EQ(outcome(rpl(8, 14, 3, 5)), "extension_headers") << "more left than there are";
}

TEST(DecodeAddresses, RplListsThatLie) {
  const auto with = [](unsigned shared, unsigned padding, std::size_t bytes) {
    Octets body{std::byte{3}, std::byte{1}, static_cast<std::byte>(shared),
                static_cast<std::byte>(padding << 4)};
    return outcome(on_the_way().extension(kRouting, bytes).extension_body(body));
  };
  EXPECT_EQ(with(0x00, 0, 24), "segment");
  EXPECT_EQ(with(0x00, 1, 24), "extension_headers") << "the last address begins before the list";
  EXPECT_EQ(with(0x00, 0, 16), "extension_headers");
  EXPECT_EQ(with(0x0f, 15, 24), "segment");
  EXPECT_EQ(with(0x0e, 15, 24), "extension_headers") << "the bytes are one too few";
  EXPECT_EQ(with(0x0f, 7, 16), "segment");
  EXPECT_EQ(with(0x0f, 8, 16), "extension_headers");
  EXPECT_EQ(with(0x0f, 0, 8), "extension_headers") << "no list at all";
  EXPECT_EQ(with(0x00, 0, 32), "extension_headers") << "half an address";
}

TEST(DecodeAddresses, ListsThatLie) {
  EXPECT_EQ(outcome(on_the_way().route(0, 2, {kServer})), "extension_headers");
  EXPECT_EQ(outcome(on_the_way().route(0, 255, {kHop, kServer})), "extension_headers");
  EXPECT_EQ(outcome(on_the_way().route(0, 1, {})), "extension_headers");
  EXPECT_EQ(
      outcome(on_the_way().extension(kRouting, 32).extension_body({std::byte{0}, std::byte{1}})),
      "extension_headers")
      << "half an address";
  EXPECT_EQ(outcome(on_the_way().route(4, 2, {kServer})), "extension_headers");
  for (const auto last_entry : std::initializer_list<std::uint8_t>{1, 2, 255}) {
    const Octets lie{std::byte{4}, std::byte{1}, std::byte{last_entry}};
    EXPECT_EQ(outcome(on_the_way().route(4, 1, {kServer}).extension_body(lie)),
              "extension_headers");
  }
}

TEST(DecodeAddresses, AnUnknownRouteLeavesWhatTheHeaderSays) {
  for (const auto type : std::initializer_list<std::uint8_t>{1, 5, 6, 253, 255}) {
    // Nobody knows for whom the checksum is.
    const PacketBuilder packet = on_the_way().route(type, 1, {kServer}).wrong_transport_checksum();
    const Decoded d = decode_packet(packet, strict());
    EXPECT_EQ(seen(d.segment), between(packet, kClient, kHop)) << int{type};
  }
}

TEST(DecodeAddresses, MappedOnesAreRefusedWhereverTheyStand) {
  EXPECT_EQ(outcome(on_the_way().route(0, 1, {kMapped})), "mapped_address");
  EXPECT_EQ(outcome(on_the_way().route(4, 1, {kMapped, kHop})), "mapped_address");
  EXPECT_EQ(outcome(on_the_way().route(4, 1, {kServer, kMapped})), "segment") << "only a hop";
}

// --- Mobile nodes ---

// A destination options header of these bytes, filled up with PadN.
PacketBuilder with_options(Octets options) {
  const std::size_t bytes = (2 + options.size() + 7) / 8 * 8;
  const std::size_t padding = bytes - 2 - options.size();
  if (padding == 1) put8(options, 0);
  if (padding > 1) {
    put8(options, 1);
    put8(options, padding - 2);
  }
  return PacketBuilder("from a mobile node")
      .ip(kHop, kServer)
      .extension(kDestination, bytes)
      .extension_body(options)
      .tcp(40000, 443)
      .flags(tcp_flag::syn);
}

Octets home_address(std::size_t length = 16) {
  Octets option;
  put8(option, 0xc9);
  put8(option, length);
  Address(kClient).put(option);
  return option;
}

TEST(DecodeAddresses, HomeAddressOption) {
  for (std::size_t pads = 0; pads <= 4; ++pads) {
    Octets options(pads, std::byte{0});
    append(options, home_address());
    const PacketBuilder packet = with_options(options).checksummed_for(kClient, kServer);
    expect_between(packet, kClient, kServer);
  }
  Octets behind{std::byte{1}, std::byte{4}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}};
  append(behind, home_address());
  expect_between(with_options(behind).checksummed_for(kClient, kServer), kClient, kServer);
}

TEST(DecodeAddresses, HomeAddressOptionsThatLieAreNone) {
  for (const std::size_t length : {0U, 15U, 17U, 255U}) {
    const PacketBuilder packet = with_options(home_address(length));
    EXPECT_EQ(seen(decode_packet(packet, strict()).segment), between(packet, kHop, kServer))
        << length;
  }
  // An option before it that swallows it, and one that ends outside.
  for (const unsigned swallows : {18U, 200U}) {
    Octets options{std::byte{1}, static_cast<std::byte>(swallows)};
    append(options, home_address());
    const PacketBuilder packet = with_options(options);
    EXPECT_EQ(seen(decode_packet(packet, strict()).segment), between(packet, kHop, kServer));
  }
  EXPECT_EQ(outcome(with_options([] {
              Octets option{std::byte{0xc9}, std::byte{16}};
              Address(kMapped).put(option);
              return option;
            }())),
            "mapped_address");
}

TEST(DecodeAddresses, BothWaysOfAMobileNodeAreOneConnection) {
  const Segment up = decode_packet(with_options(home_address())).segment;
  const PacketBuilder answer =
      PacketBuilder().ip(kServer, kHop).route(2, 1, {kClient}).tcp(443, 40000).flags(0x12);
  const Segment down = decode_packet(answer).segment;
  EXPECT_EQ(up.key, down.key);
  EXPECT_NE(up.sender, down.sender);
}

// Between locators, the checksum is that of other addresses.
TEST(DecodeAddresses, Shim6IsNotVerified) {
  const PacketBuilder packet = PacketBuilder()
                                   .ip(kClient, kServer)
                                   .extension(140)
                                   .tcp(40000, 443)
                                   .flags(tcp_flag::syn)
                                   .wrong_transport_checksum();
  EXPECT_EQ(seen(decode_packet(packet, strict()).segment), built(packet, 0));
  for (const auto type : std::initializer_list<std::uint8_t>{135, 139}) {
    EXPECT_EQ(outcome(PacketBuilder()
                          .ip(kClient, kServer)
                          .extension(type)
                          .tcp(40000, 443)
                          .wrong_transport_checksum(),
                      strict()),
              "transport_checksum");
  }
}

// --- AH in IPv4 ---

PacketBuilder authenticated(std::size_t bytes) {
  return PacketBuilder("behind AH")
      .ip("192.0.2.1", "198.51.100.2")
      .extension(kAuthentication, bytes)
      .tcp(40000, 80)
      .seq(7)
      .flags(tcp_flag::syn)
      .data(5);
}

TEST(DecodeAddresses, AuthenticationHeaderOfIpv4) {
  for (std::size_t bytes = 8; bytes <= 257 * 4; bytes += bytes < 64 ? 4 : 240) {
    for (const std::size_t options : {0U, 4U, 40U}) {
      const PacketBuilder packet = authenticated(bytes).ip_options(options);
      const std::size_t enough = packet.parts().transport_offset() + 14;
      for (std::size_t captured = 0; captured <= packet.network().size(); ++captured) {
        Look look = strict();
        look.captured = captured;
        const Decoded d = decode_packet(packet, look);
        ASSERT_EQ(d.what, captured < enough ? "truncated" : "segment") << captured;
        if (captured >= enough) {
          ASSERT_EQ(seen(d.segment), built(packet, 5));
        }
      }
    }
  }
}

TEST(DecodeAddresses, AuthenticationHeadersOfIpv4ThatLie) {
  // 25 bytes of payload behind 24 of the header.
  for (std::uint8_t units = 0; units < 20; ++units) {
    const std::size_t length = (units + 2U) * 4;
    const auto what = outcome(authenticated(24).extension_units(units));
    if (length > 49) {
      EXPECT_EQ(what, "extension_headers") << length;
    } else if (length > 29) {
      EXPECT_EQ(what, "bad_tcp_header") << length;
    }
  }
  EXPECT_EQ(outcome(authenticated(24).ip_length(27)), "extension_headers");
  EXPECT_EQ(outcome(authenticated(24).ip_length(43)), "extension_headers");
  EXPECT_EQ(outcome(authenticated(24).ip_length(44)), "bad_tcp_header");
  for (std::size_t more = 1; more <= 9; ++more) {
    PacketBuilder packet = authenticated(24);
    for (std::size_t i = 1; i < more; ++i) packet.extension(kAuthentication, 12);
    EXPECT_EQ(outcome(packet), more <= 8 ? "segment" : "extension_headers");
  }
}

TEST(DecodeAddresses, Ipv4HasNoOtherExtensionHeader) {
  for (const auto type : std::initializer_list<std::uint8_t>{0, 43, 44, 60, 135, 139, 140}) {
    EXPECT_EQ(outcome(authenticated(24).extension(type, 8)), "not_tcp") << int{type};
  }
  EXPECT_EQ(outcome(authenticated(24).protocol(17)), "not_tcp");
  EXPECT_EQ(outcome(authenticated(24).fragment(3, true)), "later_fragment");
  EXPECT_EQ(outcome(authenticated(24).fragment(0, true).keep(8)), "cut_first_fragment");
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
