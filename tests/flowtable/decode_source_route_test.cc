// IPv4 source routes: where addresses are left, the last one is the connection's destination, as the
// checksum says too.
#include <initializer_list>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::test::append;
using tcpeek::test::put8;

const char* const kClient = "192.0.2.1";
const char* const kServer = "198.51.100.2";
const char* const kHop = "203.0.113.5";
const char* const kOther = "203.0.113.6";

constexpr std::uint8_t kLoose = 131;
constexpr std::uint8_t kStrict = 137;
constexpr std::uint8_t kRecordRoute = 7;
constexpr std::size_t kFirst = 4;  // the pointer to the first address

PacketBuilder syn_to(const char* destination) {
  return PacketBuilder("a SYN on its way")
      .ip(kClient, destination)
      .checksummed_for(kClient, kServer)
      .tcp(40000, 443)
      .seq(0xfedcba98)
      .flags(tcp_flag::syn)
      .data(3);
}

void expect_to_server(const PacketBuilder& packet) {
  Look strict;
  strict.verify = Verify::ip_and_transport;
  Seen wanted = built(packet, packet.parts().data);
  wanted.destination = endpoint(Address(kServer), packet.parts().destination_port);
  const Decoded d = decode_packet(packet, strict);
  ASSERT_EQ(d.what, "segment");
  EXPECT_EQ(seen(d.segment), wanted);
  const std::size_t enough = packet.parts().transport_offset() + 14;
  for (std::size_t captured = 0; captured <= packet.network().size(); ++captured) {
    Look look;
    look.captured = captured;
    ASSERT_EQ(decode_packet(packet, look).what, captured < enough ? "truncated" : "segment");
  }
}

std::string_view outcome_of_option(const Octets& option) {
  return outcome(syn_to(kHop).ip_option(option));
}

Octets octets(std::initializer_list<unsigned> bytes) {
  Octets result;
  for (const unsigned byte : bytes) put8(result, byte);
  return result;
}

TEST(DecodeSourceRoute, LastAddressWhileSomeAreLeft) {
  for (const std::uint8_t type : {kLoose, kStrict}) {
    for (std::size_t pointer = kFirst; pointer < kFirst + 12; pointer += 4) {
      expect_to_server(syn_to(kHop).source_route(type, pointer, {kOther, kHop, kServer}));
    }
    expect_to_server(syn_to(kHop).source_route(type, kFirst, {kServer}));
  }
}

TEST(DecodeSourceRoute, AddressOfTheHeaderOnceTheRouteIsUsedUp) {
  for (const std::uint8_t type : {kLoose, kStrict}) {
    expect_to_server(syn_to(kServer).source_route(type, kFirst + 8, {kOther, kHop}));
    expect_to_server(syn_to(kServer).source_route(type, 255, {kOther, kHop}));
    expect_to_server(syn_to(kServer).source_route(type, kFirst, {}));
  }
}

TEST(DecodeSourceRoute, BehindOtherOptions) {
  Octets options = octets({1, 148, 4, 0, 0, 1});
  append(options, octets({kLoose, 7, kFirst}));
  Address(kServer).put(options);
  expect_to_server(syn_to(kHop).ip_option(options));
}

TEST(DecodeSourceRoute, OtherOptionsAreNone) {
  expect_to_server(syn_to(kServer).source_route(kRecordRoute, kFirst, {kOther, kHop}));
  // Inside another option, behind the end of options, and behind an option of an impossible length.
  for (const auto& before : {octets({148, 9}), octets({0}), octets({148, 1}), octets({148, 200})}) {
    Octets options = before;
    append(options, octets({kLoose, 7, kFirst}));
    Address(kHop).put(options);
    expect_to_server(syn_to(kServer).ip_option(options));
  }
  expect_to_server(syn_to(kServer).ip_option(octets({1, 1, 1, kLoose})));
  expect_to_server(syn_to(kServer).ip_option(octets({1, kLoose, 7, kFirst})));
}

TEST(DecodeSourceRoute, RoutesThatLie) {
  for (const unsigned pointer : {0U, 1U, 3U, 5U, 6U, 7U}) {
    EXPECT_EQ(outcome_of_option(octets({kLoose, 7, pointer, 1, 2, 3, 4})), "bad_ip_header");
  }
  EXPECT_EQ(outcome_of_option(octets({kStrict, 2, 4, 0})), "bad_ip_header");
  EXPECT_EQ(outcome_of_option(octets({kStrict, 6, 4, 1, 2, 3, 0, 0})), "bad_ip_header");
  EXPECT_EQ(outcome_of_option(octets({kStrict, 8, 4, 1, 2, 3, 4, 5})), "bad_ip_header");
}

// A router on the way quotes the packet as it came.
TEST(DecodeSourceRoute, InAQuotation) {
  const PacketBuilder about = syn_to(kHop).source_route(kLoose, kFirst + 4, {kOther, kServer});
  const PacketBuilder error = PacketBuilder("an error on the way")
                                  .ip(kHop, kClient)
                                  .icmp(11, 0)
                                  .quoting(about.network(), 20 + 12 + 8);
  Seen wanted = quoted(about);
  wanted.destination = endpoint(Address(kServer), about.parts().destination_port);
  const Decoded d = decode_packet(error, {});
  ASSERT_EQ(d.what, "segment");
  EXPECT_EQ(seen(d.segment), wanted);
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
