// Filters for packets of capture files: each link type is understood as libpcap does for a file of
// it, and an expression is the user's, not ours.

#include "ring/offline_filter.h"

#include <gtest/gtest.h>

#include <random>

#include "ring/capture_filter.h"
#include "tests/support/ends.h"

namespace tcpeek::ring {
namespace {

using test::Octets;
using test::PacketBuilder;

constexpr std::uint16_t kNull = 0, kEthernet = 1, kRaw = 101, kLoop = 108, kSll = 113, kIpv4 = 228,
                        kIpv6 = 229, kSll2 = 276;

PacketBuilder packet(bool v6 = false) {
  const char* const from = v6 ? "2001:db8::1" : "192.0.2.1";
  const char* const to = v6 ? "2001:db8::2" : "198.51.100.2";
  return PacketBuilder().ip(from, to).tcp(40000, 80).flags(2);
}

Octets behind(const Octets& header, const PacketBuilder& p) {
  Octets bytes = header;
  test::append(bytes, p.network());
  return bytes;
}

// The packet as a file of this link type holds it.
Octets frame(std::uint16_t link_type, bool v6 = false) {
  const unsigned ethertype = v6 ? 0x86dd : 0x0800;
  Octets header;
  switch (link_type) {
    case kEthernet:
      return packet(v6).ethernet().build();
    case kSll:
      test::put16(header, 0);
      test::put16(header, 1);
      header.resize(14);
      test::put16(header, ethertype);
      break;
    case kSll2:
      test::put16(header, ethertype);
      test::put16(header, 0);
      test::put32(header, 3);
      header.resize(20);
      break;
    case kNull:  // in the order of this machine
      header = {std::byte{static_cast<std::uint8_t>(v6 ? 10 : 2)}, {}, {}, {}};
      break;
    case kLoop:
      test::put32(header, v6 ? 10 : 2);
      break;
    default:
      break;
  }
  return behind(header, packet(v6));
}

bool matches(std::uint16_t link_type, const std::string& expression, const Octets& bytes) {
  return OfflineFilter(link_type, expression)
      .matches(bytes, static_cast<std::uint32_t>(bytes.size()));
}

TEST(OfflineFilterTest, EveryLinkType) {
  for (const std::uint16_t link : {kNull, kEthernet, kRaw, kLoop, kSll, kIpv4, kSll2}) {
    SCOPED_TRACE(link);
    const Octets bytes = frame(link);
    EXPECT_TRUE(matches(link, "ip", bytes));
    EXPECT_TRUE(matches(link, "tcp port 80", bytes));
    EXPECT_TRUE(matches(link, "src host 192.0.2.1 and dst port 80", bytes));
    EXPECT_TRUE(matches(link, "tcp[tcpflags] & tcp-syn != 0", bytes));
    EXPECT_FALSE(matches(link, "tcp port 81", bytes));
    EXPECT_FALSE(matches(link, "dst host 192.0.2.1", bytes));
    EXPECT_FALSE(matches(link, "udp", bytes));
    EXPECT_FALSE(matches(link, "not tcp", bytes));
  }
}

TEST(OfflineFilterTest, Ipv6OnEveryLinkType) {
  for (const std::uint16_t link : {kNull, kEthernet, kRaw, kLoop, kSll, kIpv6, kSll2}) {
    SCOPED_TRACE(link);
    const Octets bytes = frame(link, true);
    EXPECT_TRUE(matches(link, "ip6", bytes));
    EXPECT_TRUE(matches(link, "tcp port 80", bytes));
    EXPECT_TRUE(matches(link, "host 2001:db8::2", bytes));
    EXPECT_FALSE(matches(link, "tcp port 81", bytes));
    EXPECT_FALSE(matches(link, "host 2001:db8::3", bytes));
    if (link != kIpv6) {
      EXPECT_FALSE(matches(link, "ip", bytes));
    }
  }
}

TEST(OfflineFilterTest, EthernetBehindUpToTwoTags) {
  for (const std::uint16_t tag : {test::kVlan, test::kQinQ}) {
    PacketBuilder tagged = packet().ethernet();
    for (int tags = 0; tags <= 3; ++tags) {
      const Octets bytes = tagged.build();
      EXPECT_EQ(matches(kEthernet, "tcp port 80", bytes), tags <= 2) << tags;
      EXPECT_EQ(matches(kEthernet, "host 192.0.2.1 and (port 80 or port 81)", bytes), tags <= 2);
      EXPECT_FALSE(matches(kEthernet, "tcp port 81", bytes)) << tags;
      EXPECT_FALSE(matches(kEthernet, "host 192.0.2.9 or port 81", bytes)) << tags;
      tagged.vlan(tag, static_cast<std::uint16_t>(tags + 1));
    }
  }
  EXPECT_TRUE(matches(kEthernet, "vlan 7", packet().ethernet().vlan(test::kVlan, 7).build()));
  EXPECT_FALSE(matches(kEthernet, "vlan 8", packet().ethernet().vlan(test::kVlan, 7).build()));
}

TEST(OfflineFilterTest, SyntaxErrorsAreToldInLibpcapsWords) {
  for (const std::uint16_t link : {kNull, kEthernet, kRaw, kSll, kSll2}) {
    for (const char* expression : {"port", "tcp and", "hots 192.0.2.1", "(", "tcp port 80)", ")",
                                   "port 99999999", "\"", "tcp[", "1 = "}) {
      try {
        const OfflineFilter filter(link, expression);
        ADD_FAILURE() << expression << " is taken on link type " << link;
      } catch (const FilterSyntaxError& e) {
        EXPECT_STRNE(e.what(), "") << expression;
      }
    }
  }
}

TEST(OfflineFilterTest, ParenthesesAreNotOursToClose) {
  for (const std::uint16_t link : {kEthernet, kRaw}) {
    for (const char* expression : {"1) or (2", "tcp) or (udp", "port 80) and (tcp"}) {
      EXPECT_THROW(OfflineFilter(link, expression), FilterSyntaxError) << expression;
    }
  }
}

TEST(OfflineFilterTest, ExpressionThatOnlyAnotherLinkTypeKnowsIsRefused) {
  EXPECT_NO_THROW(OfflineFilter(kEthernet, "ether host 02:00:00:00:00:01"));
  EXPECT_THROW(OfflineFilter(kRaw, "ether host 02:00:00:00:00:01"), FilterSyntaxError);
}

TEST(OfflineFilterTest, CutPacketsMatchByWhatIsThere) {
  for (const std::uint16_t link : {kNull, kEthernet, kRaw, kSll, kSll2}) {
    const OfflineFilter filter(link, "tcp port 80");
    const Octets bytes = frame(link);
    const std::size_t through_ports = bytes.size() - 16;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      const Octets cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const bool matched = filter.matches(cut, static_cast<std::uint32_t>(bytes.size()));
      EXPECT_EQ(matched, size >= through_ports) << "link type " << link << ", " << size;
    }
  }
}

TEST(OfflineFilterTest, LengthIsTheOneOnTheWire) {
  const Octets bytes = frame(kRaw);
  const OfflineFilter filter(kRaw, "greater 1000");
  EXPECT_TRUE(filter.matches(bytes, 1500));
  EXPECT_FALSE(filter.matches(bytes, 100));
}

TEST(OfflineFilterTest, NoiseReadsNothingOutside) {
  std::mt19937_64 random(1);
  for (const std::uint16_t link : {kNull, kEthernet, kRaw, kSll, kSll2}) {
    const OfflineFilter filter(link, "tcp[tcpflags] & tcp-syn != 0 or ip6[6] = 6 or port 80");
    for (int round = 0; round < 20'000; ++round) {
      Octets bytes = frame(link, random() % 2 == 0);
      for (int changes = 0; changes < 4; ++changes) {
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      }
      const Octets cut(bytes.begin(),
                       bytes.begin() + static_cast<std::ptrdiff_t>(random() % bytes.size()));
      static_cast<void>(filter.matches(cut, static_cast<std::uint32_t>(random())));
    }
  }
}

}  // namespace
}  // namespace tcpeek::ring
