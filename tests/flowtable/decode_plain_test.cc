// The short cut for plain packets says what the long way says: a frame that is decoded at once must
// give what the same frame gives behind a tag, which only the long way steps over.
//
// A failure prints TCPEEK_SEED=...: with that in the environment the same packet is made again.

#include <cstdlib>
#include <random>

#include "tests/flowtable/decode_checks.h"
#include "tests/flowtable/random_packets.h"
#include "tests/support/seeds.h"

namespace tcpeek::flowtable::decode_test {
namespace {

using tcpeek::test::for_each_seed;

std::uint16_t ethertype_of(const RandomPacket& made) {
  return made.packet.parts().v6() ? 0x86dd : 0x0800;
}

TEST(DecodePlain, AgreesWithTheLongWayOnRandomPackets) {
  for_each_seed(50'000, [](std::uint64_t seed) {
    PacketMaker maker(seed);
    const RandomPacket made = maker.make();
    const Octets network = made.packet.network();
    expect_agreement(network, ethertype_of(made), maker.one_in(2),
                     static_cast<std::uint32_t>(network.size()));
  });
}

TEST(DecodePlain, AgreesWithTheLongWayOnEveryPrefix) {
  for_each_seed(3'000, [](std::uint64_t seed) {
    PacketMaker maker(seed);
    const RandomPacket made = maker.make();
    const Octets network = made.packet.network();
    const std::size_t longest = std::min<std::size_t>(network.size(), 200);
    for (std::size_t size = 0; size <= longest && !testing::Test::HasFailure(); ++size) {
      const Octets cut(network.begin(), network.begin() + static_cast<std::ptrdiff_t>(size));
      expect_agreement(cut, ethertype_of(made), size % 2 == 0,
                       static_cast<std::uint32_t>(network.size()));
    }
  });
}

// Changed where the short cut looks: versions, lengths, fragments, protocols, offsets, addresses.
TEST(DecodePlain, AgreesWithTheLongWayOnMutilatedPackets) {
  for_each_seed(150'000, [](std::uint64_t seed) {
    PacketMaker maker(seed);
    const RandomPacket made = maker.make();
    Octets network = made.packet.network();
    const bool v6 = made.packet.parts().v6();
    for (std::uint64_t changes = 1 + maker.below(4); changes > 0; --changes) {
      constexpr std::array<std::size_t, 8> kIpv4{0, 2, 3, 6, 7, 9, 32, 33};
      constexpr std::array<std::size_t, 8> kIpv6{0, 4, 5, 6, 8, 24, 52, 53};
      constexpr std::array<std::uint8_t, 14> kTelling{0,    1,    5,    6,    20,   0x28, 0x40,
                                                      0x45, 0x46, 0x50, 0x60, 0x80, 0xf0, 0xff};
      const std::size_t at = maker.one_in(2)
                                 ? (v6 ? kIpv6 : kIpv4)[maker.below(8)]
                                 : maker.below(std::min<std::size_t>(network.size(), 80));
      if (at >= network.size()) continue;
      network[at] = maker.one_in(2) ? std::byte{kTelling[maker.below(kTelling.size())]}
                                    : static_cast<std::byte>(maker.below(256));
    }
    if (v6 && maker.one_in(8)) {  // a mapped address
      const std::size_t at = maker.one_in(2) ? 8 : 24;
      std::fill_n(network.begin() + static_cast<std::ptrdiff_t>(at), 10, std::byte{0});
      std::fill_n(network.begin() + static_cast<std::ptrdiff_t>(at + 10), 2, std::byte{0xff});
    }
    const auto wire_length =
        static_cast<std::uint32_t>(maker.one_in(4) ? maker.below(70'000) : network.size());
    if (maker.one_in(4)) network.resize(maker.below(network.size() + 1));
    const std::uint16_t type = maker.one_in(20) ? (v6 ? 0x0800 : 0x86dd) : ethertype_of(made);
    expect_agreement(network, type, maker.one_in(2), wire_length);
  });
}

TEST(DecodePlain, AgreesWithTheLongWayOnEveryValueOfEveryByteItLooksAt) {
  for (const bool v6 : {false, true}) {
    const PacketBuilder packet =
        PacketBuilder()
            .ip(v6 ? "2001:db8::1" : "192.0.2.1", v6 ? "2001:db8::2" : "198.51.100.2")
            .tcp(40000, 80)
            .flags(2)
            .tcp_options(8)
            .data(7);
    const Octets right = packet.network();
    for (std::size_t at = 0; at < (v6 ? 60U : 40U); ++at) {
      for (unsigned value = 0; value < 256; ++value) {
        Octets network = right;
        network[at] = static_cast<std::byte>(value);
        SCOPED_TRACE(testing::Message() << "byte " << at << " is " << value);
        ASSERT_NO_FATAL_FAILURE(expect_agreement(network, v6 ? 0x86dd : 0x0800, true,
                                                 static_cast<std::uint32_t>(network.size())));
      }
    }
  }
}

// Captured shorter than its headers say, and longer: each length on its own.
TEST(DecodePlain, AgreesWithTheLongWayOnEveryLength) {
  for (const bool v6 : {false, true}) {
    for (std::size_t length = 0; length <= 120; ++length) {
      for (std::uint8_t words = 0; words < 16; ++words) {
        const PacketBuilder packet =
            PacketBuilder()
                .ip(v6 ? "2001:db8::1" : "192.0.2.1", v6 ? "2001:db8::2" : "198.51.100.2")
                .tcp(1, 2)
                .tcp_options(40)
                .data_offset(words)
                .ip_length(length);
        const Octets network = packet.network();
        SCOPED_TRACE(testing::Message() << length << " bytes, " << int{words} << " words");
        ASSERT_NO_FATAL_FAILURE(expect_agreement(network, v6 ? 0x86dd : 0x0800, words % 2 == 0,
                                                 static_cast<std::uint32_t>(network.size())));
      }
    }
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
