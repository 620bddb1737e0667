// The decoder on random packets: what was built comes out; cut anywhere it comes out or is refused,
// but never comes out as something else; changed anywhere it is refused or well formed.
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

constexpr Verify kLevels[] = {Verify::none, Verify::ip_header, Verify::ip_and_transport};

Frame frame_for(const RandomPacket& made, const Octets& bytes) {
  return frame_of(made.packet, bytes.size());
}

TEST(DecodeRandom, WhatWasBuiltComesOut) {
  for_each_seed(300'000, [](std::uint64_t seed) {
    PacketMaker maker(seed);
    const RandomPacket made = maker.make();
    const Octets bytes = made.packet.build();
    const Verify verify = kLevels[maker.below(3)];
    const Decoded d = decode_copy(made.link, verify, frame_for(made, bytes), bytes);
    EXPECT_EQ(d.what, "segment") << in_hex(bytes);
    EXPECT_EQ(seen(d.segment), made.expected) << in_hex(bytes);
    EXPECT_EQ(d.segment.interface, kInterface);
    EXPECT_EQ(d.segment.time, kTime);
  });
}

TEST(DecodeRandom, EveryPrefixIsRefusedOrTheSame) {
  for_each_seed(8'000, [](std::uint64_t seed) {
    PacketMaker maker(seed);
    const RandomPacket made = maker.make();
    const Octets bytes = made.packet.build();
    const Verify verify = kLevels[maker.below(3)];
    for (std::size_t captured = 0; captured <= bytes.size(); ++captured) {
      const Decoded d = decode_copy(made.link, verify, frame_for(made, bytes), bytes, captured);
      expect_well_formed(d, bytes);
      if (captured < made.truncated_below) {
        EXPECT_EQ(d.what, "truncated") << captured << " of\n" << in_hex(bytes);
      } else if (captured < made.enough) {
        EXPECT_NE(d.what, "segment") << captured << " of\n" << in_hex(bytes);
      } else {
        EXPECT_EQ(d.what, "segment") << captured << " of\n" << in_hex(bytes);
        EXPECT_EQ(seen(d.segment), made.expected) << captured << " of\n" << in_hex(bytes);
      }
      if (testing::Test::HasFailure()) return;
    }
  });
}

TEST(DecodeRandom, ChangedBytesAreRefusedOrWellFormed) {
  for_each_seed(300'000, [](std::uint64_t seed) {
    PacketMaker maker(seed);
    const RandomPacket made = maker.make();
    Octets bytes = made.packet.build();
    const std::size_t headers = std::min(made.enough + 8, bytes.size());
    for (std::uint64_t changes = 1 + maker.below(6); changes > 0; --changes) {
      // Mostly where it hurts: among the headers, and to values that mean something.
      const std::size_t at = maker.below(maker.one_in(4) ? bytes.size() : headers);
      constexpr std::array<std::uint8_t, 14> kTelling{0,  1,  4,  6,  43,   44,   51,
                                                      58, 59, 60, 69, 0x60, 0x80, 255};
      bytes[at] = maker.one_in(2) ? std::byte{kTelling[maker.below(kTelling.size())]}
                                  : static_cast<std::byte>(maker.below(256));
    }
    Frame frame = frame_for(made, bytes);
    if (maker.one_in(4)) frame.wire_length = static_cast<std::uint32_t>(maker.below(70'000));
    const std::size_t captured = maker.one_in(2) ? bytes.size() : maker.below(bytes.size() + 1);
    for (const Verify verify : kLevels) {
      expect_well_formed(decode_copy(made.link, verify, frame, bytes, captured), bytes);
    }
  });
}

// All but the few that now hold the pseudo header's sum alone, one in 65,536: those look like left to
// the network card.
TEST(DecodeRandom, AChangedByteUnderTheChecksumsIsRefused) {
  int accepted = 0;
  for_each_seed(100'000, [&](std::uint64_t seed) {
    PacketMaker maker(seed);
    const RandomPacket made = maker.make();
    if (!made.sums_cover_all) return;
    const std::size_t padding = made.packet.parts().padding;
    Octets bytes = made.packet.build();
    const Octets before = bytes;
    const std::size_t network = made.packet.network().size();
    const std::size_t at = bytes.size() - padding - network + maker.below(network);
    bytes[at] ^= static_cast<std::byte>(1 + maker.below(255));
    const Decoded d =
        decode_copy(made.link, Verify::ip_and_transport, frame_for(made, bytes), bytes);
    if (d.what == "segment") ++accepted;
    EXPECT_LE(accepted, 15) << "byte " << at << " of\n" << in_hex(before);
  });
}

TEST(DecodeRandom, NoiseIsRefusedOrWellFormed) {
  for_each_seed(300'000, [](std::uint64_t seed) {
    PacketMaker maker(seed);
    Octets bytes(maker.below(160));
    for (std::byte& b : bytes) b = static_cast<std::byte>(maker.below(maker.one_in(2) ? 8 : 256));
    const bool v6 = maker.one_in(2);
    Frame frame;
    frame.ethertype = v6 ? 0x86dd : 0x0800;
    if (maker.one_in(10)) frame.ethertype = 0x8100;
    frame.wire_length = static_cast<std::uint32_t>(bytes.size() + maker.below(2000));
    if (!bytes.empty()) bytes[0] = v6 ? std::byte{0x60} : std::byte{0x45};
    if (bytes.size() > 9 && maker.one_in(2)) bytes[v6 ? 6 : 9] = std::byte{6};
    for (const Verify verify : kLevels) {
      expect_well_formed(decode_copy(LinkFraming::network, verify, frame, bytes), bytes);
    }
    expect_well_formed(decode_copy(LinkFraming::ethernet, Verify::none, frame, bytes), bytes);
  });
}

}  // namespace
}  // namespace tcpeek::flowtable::decode_test
