// Checksums that the network card was to compute: a capture on the sending host holds what the
// kernel left for it, the pseudo header's sum alone. That is no error; nothing near it is right.

#include <string_view>
#include <vector>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::test::internet_checksum;
using tcpeek::test::set16;

const Address kV4Client("192.0.2.1");
const Address kV4Server("198.51.100.2");
const Address kV6Client("2001:db8::1");
const Address kV6Server("2001:db8:ffff::2");

constexpr Verify kLevels[] = {Verify::none, Verify::ip_header, Verify::ip_and_transport};

// What a kernel leaves in the field for the card to go on from: the pseudo header's sum.
std::uint16_t pseudo_header_sum(const PacketBuilder& packet, std::size_t length) {
  Octets summed;
  packet.parts().source.put(summed);
  packet.parts().destination.put(summed);
  tcpeek::test::put32(summed, length);
  tcpeek::test::put32(summed, 6);
  return static_cast<std::uint16_t>(0xffffU - internet_checksum(summed));
}

// The packet with that in its checksum field, changed by `error`.
Octets unfinished(const PacketBuilder& packet, unsigned error = 0) {
  Octets bytes = packet.network();
  const std::size_t at = packet.parts().transport_offset();
  set16(bytes, at + 16, pseudo_header_sum(packet, bytes.size() - at) + error);
  return bytes;
}

std::string_view outcome_of(const PacketBuilder& packet, const Octets& bytes, Verify level) {
  const Frame frame = frame_of(packet, bytes.size());
  return decode_copy(LinkFraming::network, level, frame, bytes).what;
}

std::vector<PacketBuilder> tcp_packets() {
  std::vector<PacketBuilder> packets;
  for (const bool v6 : {false, true}) {
    for (const std::size_t data : {0U, 1U, 2U, 1459U, 60'000U}) {
      PacketBuilder tcp = PacketBuilder()
                              .ip(v6 ? kV6Client : kV4Client, v6 ? kV6Server : kV4Server)
                              .tcp(40000, 443)
                              .flags(0x18)
                              .tcp_options(12)
                              .data(data);
      packets.push_back(tcp);
      packets.push_back(v6 ? tcp.extension(0, 16).fragment_header(0, false) : tcp.ip_options(12));
    }
  }
  return packets;
}

TEST(DecodeUnfinishedChecksum, IsAcceptedAtEveryLevel) {
  for (const PacketBuilder& packet : tcp_packets()) {
    for (const Verify level : kLevels) {
      EXPECT_EQ(outcome_of(packet, unfinished(packet), level), "segment");
    }
  }
  // Sums whose carries are carried on: addresses all ones.
  for (const char* address : {"255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    const auto packet = PacketBuilder().ip(address, address).tcp(1, 2).flags(2);
    EXPECT_EQ(outcome_of(packet, unfinished(packet), Verify::ip_and_transport), "segment");
  }
}

TEST(DecodeUnfinishedChecksum, OffByAnythingIsWrong) {
  for (const PacketBuilder& packet : tcp_packets()) {
    const Octets right = packet.network();
    for (const unsigned error : {1U, 0xffffU, 2U, 0x100U, 0x8000U}) {
      const Octets bytes = unfinished(packet, error);
      if (bytes == right) continue;  // by chance
      EXPECT_EQ(outcome_of(packet, bytes, Verify::ip_and_transport), "transport_checksum") << error;
      EXPECT_EQ(outcome_of(packet, bytes, Verify::ip_header), "segment");
    }
    // The sum complemented, as if there were nothing behind the pseudo header.
    Octets complemented = right;
    const std::size_t at = packet.parts().transport_offset();
    set16(complemented, at + 16, 0xffffU - pseudo_header_sum(packet, right.size() - at));
    EXPECT_EQ(outcome_of(packet, complemented, Verify::ip_and_transport), "transport_checksum");
  }
}

TEST(DecodeUnfinishedChecksum, IsOfThisPacketsAddressesAndLength) {
  for (const PacketBuilder& packet : tcp_packets()) {
    const std::size_t at = packet.parts().transport_offset();
    Octets bytes = unfinished(packet);
    PacketBuilder other = packet;
    other.data(packet.parts().data + 1);
    set16(bytes, at + 16, pseudo_header_sum(other, bytes.size() + 1 - at));
    EXPECT_EQ(outcome_of(packet, bytes, Verify::ip_and_transport), "transport_checksum");
    bytes = unfinished(packet);
    bytes[packet.parts().v6() ? 39 : 19] ^= std::byte{1};
    if (!packet.parts().v6()) {
      const std::size_t header = at;
      set16(bytes, 10, 0);
      set16(bytes, 10,
            internet_checksum(
                Octets(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header))));
    }
    EXPECT_EQ(outcome_of(packet, bytes, Verify::ip_and_transport), "transport_checksum");
  }
}

TEST(DecodeUnfinishedChecksum, PaddingIsNoPartOfIt) {
  for (const PacketBuilder& packet : tcp_packets()) {
    Octets bytes = unfinished(packet);
    bytes.resize(bytes.size() + 7, std::byte{0xee});
    EXPECT_EQ(outcome_of(packet, bytes, Verify::ip_and_transport), "segment");
  }
}

TEST(DecodeUnfinishedChecksum, OfAPacketTooLongForItsLengthField) {
  const PacketBuilder packet =
      PacketBuilder().ip(kV4Client, kV4Server).tcp(40000, 80).flags(0x10).data(70000).ip_length(0);
  EXPECT_EQ(outcome_of(packet, unfinished(packet), Verify::ip_and_transport), "segment");
  EXPECT_EQ(outcome_of(packet, unfinished(packet, 1), Verify::ip_and_transport),
            "transport_checksum");
}

// Only TCP's: no card computes that of an error.
TEST(DecodeUnfinishedChecksum, OfAnIcmpErrorIsWrong) {
  for (const bool v6 : {false, true}) {
    const Address& client = v6 ? kV6Client : kV4Client;
    const Address& server = v6 ? kV6Server : kV4Server;
    const auto quoted = PacketBuilder().ip(client, server).tcp(40000, 80).flags(2).network();
    const auto error = PacketBuilder().ip(server, client).icmp(v6 ? 1 : 3, 1).quoting(quoted);
    const std::size_t at = error.parts().transport_offset();
    Octets bytes = error.network();
    Octets summed;
    server.put(summed);
    client.put(summed);
    tcpeek::test::put32(summed, bytes.size() - at);
    tcpeek::test::put32(summed, v6 ? 58 : 1);
    set16(bytes, at + 2, 0xffffU - internet_checksum(summed));
    EXPECT_EQ(outcome_of(error, bytes, Verify::ip_and_transport), "transport_checksum");
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
