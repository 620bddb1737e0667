// The Internet checksum against a plain reading of RFC 1071, and what the decoder verifies when.

#include "flowtable/checksum.h"

#include <initializer_list>
#include <random>
#include <vector>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::test::internet_checksum;
using tcpeek::test::put16;
using tcpeek::test::set16;

const Address kV4Client("192.0.2.1");
const Address kV4Server("198.51.100.2");
const Address kV6Client("2001:db8::1");
const Address kV6Server("2001:db8:ffff::2");

bool valid(const Octets& bytes) {
  ChecksumSum sum;
  sum.add(bytes);
  return sum.valid();
}

// --- The sum ---

TEST(Checksum, Rfc1071Example) {
  Octets bytes;
  for (const std::size_t word : {0x0001U, 0xf203U, 0xf4f5U, 0xf6f7U}) put16(bytes, word);
  put16(bytes, 0x220d);  // the complement of 0xddf2, worked out in section 3
  EXPECT_TRUE(valid(bytes));
  set16(bytes, 8, 0x220e);
  EXPECT_FALSE(valid(bytes));
}

TEST(Checksum, NothingAndZeroesAreNotValid) {
  EXPECT_FALSE(valid({}));
  EXPECT_FALSE(valid(Octets(20, std::byte{0})));
  EXPECT_TRUE(valid(Octets(2, std::byte{0xff})));
  EXPECT_TRUE(valid(Octets(65534, std::byte{0xff}))) << "carries of carries";
}

TEST(Checksum, AnOddRunIsPaddedWithAZeroAfterIt) {
  EXPECT_FALSE(valid({std::byte{0xff}}));
  EXPECT_TRUE(valid({std::byte{0x12}, std::byte{0xff}, std::byte{0xed}}));
  EXPECT_FALSE(valid({std::byte{0xed}, std::byte{0xff}, std::byte{0x21}}));
}

TEST(Checksum, AgreesWithTheReferenceOnRandomBytes) {
  std::mt19937_64 random(1);
  for (std::size_t length = 2; length < 2100; ++length) {
    Octets bytes(length);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    set16(bytes, 0, 0);
    set16(bytes, 0, internet_checksum(bytes));
    ASSERT_TRUE(valid(bytes)) << length;
    const std::size_t at = random() % length;
    const auto change = static_cast<std::byte>(1 + random() % 255);
    bytes[at] ^= change;
    ASSERT_FALSE(valid(bytes)) << length << " bytes, changed at " << at;
  }
}

TEST(Checksum, RunsAndWordsAddUp) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    Octets bytes(2 * (4 + random() % 100));
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    set16(bytes, 0, 0);
    set16(bytes, 0, internet_checksum(bytes));
    const Bytes all(bytes);
    const std::size_t cut = 4 + 2 * (random() % (bytes.size() / 2 - 2));
    ChecksumSum sum;
    sum.add(u32_at(all, 0));  // two words at once are the same in one's complement
    sum.add(all.subspan(4, cut - 4));
    sum.add(all.subspan(cut));
    ASSERT_TRUE(sum.valid());
    sum.add(1U);
    ASSERT_FALSE(sum.valid());
  }
}

// --- What is verified when ---

constexpr Verify kLevels[] = {Verify::none, Verify::ip_header, Verify::ip_and_transport};

Look looking(Verify verify, bool waived = false, std::size_t captured = kAll) {
  Look look;
  look.verify = verify;
  look.waived = waived;
  look.captured = captured;
  return look;
}

// TCP of both families with odd and even lengths, options, extension headers; both kinds of error.
std::vector<PacketBuilder> good_packets() {
  std::vector<PacketBuilder> packets;
  for (const bool v6 : {false, true}) {
    const Address& client = v6 ? kV6Client : kV4Client;
    const Address& server = v6 ? kV6Server : kV4Server;
    for (const std::size_t data : {0U, 1U, 2U, 3U, 1459U, 1460U}) {
      PacketBuilder tcp = PacketBuilder("TCP with " + std::to_string(data) + " bytes")
                              .ip(client, server)
                              .tcp(40000, 443)
                              .seq(0xfffffff0)
                              .ack(5)
                              .flags(0xc2)
                              .tcp_options(12)
                              .data(data);
      packets.push_back(tcp);
      if (v6) {
        packets.push_back(tcp.extension(0, 16).routing(0).fragment_header(0, false));
      } else {
        packets.push_back(tcp.ip_options(12).padding(9));
      }
      packets.push_back(PacketBuilder("an error quoting that")
                            .ip(server, client)
                            .icmp(v6 ? 1 : 3, 1)
                            .quoting(tcp.network(), 128 + data % 2));
    }
  }
  return packets;
}

TEST(DecodeChecksum, RightOnesPassAtEveryLevel) {
  for (const PacketBuilder& packet : good_packets()) {
    for (const Verify level : kLevels) {
      EXPECT_EQ(outcome(packet, looking(level)), "segment") << packet.description();
    }
  }
}

TEST(DecodeChecksum, AWrongTransportChecksumMattersAtTheSecondLevelOnly) {
  for (PacketBuilder packet : good_packets()) {
    packet.wrong_transport_checksum();
    EXPECT_EQ(outcome(packet, looking(Verify::none)), "segment");
    EXPECT_EQ(outcome(packet, looking(Verify::ip_header)), "segment");
    EXPECT_EQ(outcome(packet, looking(Verify::ip_and_transport)), "transport_checksum")
        << packet.description();
    EXPECT_EQ(outcome(packet, looking(Verify::ip_and_transport, true)), "segment") << "waived";
  }
}

TEST(DecodeChecksum, AWrongIpChecksumMattersFromTheFirstLevelOn) {
  for (PacketBuilder packet : good_packets()) {
    const bool v6 = packet.parts().v6();
    packet.wrong_ip_checksum();  // nothing to IPv6, which has none
    EXPECT_EQ(outcome(packet, looking(Verify::none)), "segment");
    for (const Verify level : {Verify::ip_header, Verify::ip_and_transport}) {
      EXPECT_EQ(outcome(packet, looking(level)), v6 ? "segment" : "ip_checksum");
      // Hardware leaves TCP's to be computed; the IP header's is always there.
      EXPECT_EQ(outcome(packet, looking(level, true)), v6 ? "segment" : "ip_checksum");
    }
  }
}

TEST(DecodeChecksum, TheIpHeaderIsVerifiedWhateverItCarries) {
  const auto udp = PacketBuilder().ip(kV4Client, kV4Server).raw(17, 20).wrong_ip_checksum();
  EXPECT_EQ(outcome(udp, looking(Verify::none)), "not_tcp");
  EXPECT_EQ(outcome(udp, looking(Verify::ip_header)), "ip_checksum");
}

TEST(DecodeChecksum, EveryWrongBitOfTheIpv4HeaderIsSeen) {
  const PacketBuilder packet =
      PacketBuilder().ip(kV4Client, kV4Server).tcp(1, 2).flags(2).ip_options(8);
  for (std::size_t bit = 0; bit < 28 * 8; ++bit) {
    Octets bytes = packet.network();
    bytes[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
    const Frame frame = frame_of(packet, bytes.size());
    EXPECT_NE(decode_copy(LinkFraming::network, Verify::ip_header, frame, bytes).what, "segment")
        << bit;
  }
}

TEST(DecodeChecksum, EveryWrongBitOfTheTransportIsSeen) {
  for (const PacketBuilder& packet : good_packets()) {
    if (packet.parts().padding != 0 || packet.parts().data > 3) continue;
    const Octets right = packet.network();
    for (std::size_t at = packet.parts().transport_offset(); at < right.size(); ++at) {
      Octets bytes = right;
      bytes[at] ^= static_cast<std::byte>(1U << at % 8);
      const Frame frame = frame_of(packet, bytes.size());
      EXPECT_NE(decode_copy(LinkFraming::network, Verify::ip_and_transport, frame, bytes).what,
                "segment")
          << packet.description() << " at " << at;
    }
  }
}

TEST(DecodeChecksum, EveryWrongBitOfTheAddressesIsSeenByTheTransport) {
  for (const bool v6 : {false, true}) {
    const PacketBuilder packet = PacketBuilder()
                                     .ip(v6 ? kV6Client : kV4Client, v6 ? kV6Server : kV4Server)
                                     .tcp(40000, 80)
                                     .flags(2);
    const std::size_t first = v6 ? 8 : 12;
    for (std::size_t at = first; at < (v6 ? 40U : 20U); ++at) {
      Octets bytes = packet.network();
      bytes[at] ^= std::byte{0x10};
      if (!v6) {  // as a translator that forgets TCP would
        set16(bytes, 10, 0);
        set16(bytes, 10, internet_checksum(Octets(bytes.begin(), bytes.begin() + 20)));
      }
      const Frame frame = frame_of(packet, bytes.size());
      EXPECT_EQ(decode_copy(LinkFraming::network, Verify::ip_and_transport, frame, bytes).what,
                "transport_checksum")
          << at;
    }
  }
}

TEST(DecodeChecksum, WhatWasCutByTheSnapLengthIsAccepted) {
  for (PacketBuilder packet : good_packets()) {
    packet.wrong_transport_checksum();
    const std::size_t whole = packet.network().size();
    const Look cut = looking(Verify::ip_and_transport, false, whole - 1);
    const Look all = looking(Verify::ip_and_transport, false, whole);
    EXPECT_EQ(outcome(packet, all), "transport_checksum") << packet.description();
    // A bare header that is cut has lost its urgent pointer only.
    EXPECT_EQ(outcome(packet, cut), "segment") << packet.description();
    packet.wrong_ip_checksum();
    if (!packet.parts().v6()) {
      EXPECT_EQ(outcome(packet, cut), "ip_checksum") << "whole as it is";
    }
  }
}

TEST(DecodeChecksum, FirstFragmentsAreAcceptedAndAtomicOnesVerified) {
  const Look strict = looking(Verify::ip_and_transport);
  for (const bool v6 : {false, true}) {
    const PacketBuilder tcp = PacketBuilder()
                                  .ip(v6 ? kV6Client : kV4Client, v6 ? kV6Server : kV4Server)
                                  .tcp(40000, 80)
                                  .flags(2)
                                  .data(100);
    PacketBuilder first = tcp;
    v6 ? first.fragment_header(0, true) : first.fragment(0, true);
    EXPECT_EQ(outcome(PacketBuilder(first).keep(48), strict), "segment");
    EXPECT_EQ(outcome(first.wrong_transport_checksum(), strict), "segment");
    PacketBuilder atomic = tcp;
    v6 ? atomic.fragment_header(0, false) : atomic.fragment(0, false);
    EXPECT_EQ(outcome(atomic, strict), "segment");
    EXPECT_EQ(outcome(atomic.wrong_transport_checksum(), strict), "transport_checksum");
  }
}

TEST(DecodeChecksum, OnTheWayToAnotherHopItIsThatOfTheLastSegment) {
  const Look strict = looking(Verify::ip_and_transport);
  const PacketBuilder tcp = PacketBuilder().ip(kV6Client, kV6Server).tcp(40000, 80).flags(2);
  const PacketBuilder wrong = PacketBuilder(tcp).wrong_transport_checksum();
  for (const auto type : std::initializer_list<std::uint8_t>{0, 2, 4}) {
    EXPECT_EQ(outcome(PacketBuilder(tcp).route(type, 1, {kV6Server}), strict), "segment");
    EXPECT_EQ(outcome(PacketBuilder(tcp).route(type, 1, {kV6Client}), strict),
              "transport_checksum");
    EXPECT_EQ(outcome(PacketBuilder(wrong).route(type, 1, {kV6Server}), strict),
              "transport_checksum");
  }
  // Of a type not known here the last segment is not in sight.
  EXPECT_EQ(outcome(PacketBuilder(wrong).route(253, 1, {kV6Server}), strict), "segment");
  EXPECT_EQ(outcome(PacketBuilder(wrong).routing(0), strict), "transport_checksum");
  EXPECT_EQ(outcome(PacketBuilder(wrong).routing(0).extension(60), strict), "transport_checksum");
}

TEST(DecodeChecksum, AnOffloadedPacketTooLongForItsLengthField) {
  // 70,000 bytes: the pseudo header's length needs more than 16 bits.
  const PacketBuilder packet =
      PacketBuilder().ip(kV4Client, kV4Server).tcp(40000, 80).flags(0x10).data(70000).ip_length(0);
  const Decoded d = decode_packet(packet, looking(Verify::ip_and_transport));
  EXPECT_EQ(d.what, "segment");
  EXPECT_EQ(seen(d.segment), built(packet, 65535));
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
