// The steering hash in C++ and the steering program say the same of every packet the program can
// see through, whichever way it goes; of all others the program says 0, the first member.
#include "ring/steering.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <random>

#include "tests/support/bpf_machine.h"
#include "tests/support/ends.h"
#include "tests/support/kernel_view.h"

namespace tcpeek::ring {
namespace {

using test::End;
using test::icmp_error;
using test::kQinQ;
using test::kVlan;
using test::PacketBuilder;
using test::random_end;
using test::segment;
using test::Way;
namespace bit = test::tcp_bit;

std::uint32_t hash_of(const SteeringKey& key, const End& a, const End& b) {
  return steering_hash(key, {a.address_bytes(), a.port}, {b.address_bytes(), b.port});
}

SteeringKey random_key(std::mt19937& random) {
  const auto word = [&] { return static_cast<std::uint32_t>(random()); };
  return SteeringKey::from({word(), word(), word(), word()});
}

struct Flow {
  End a;
  End b;
  End router;
};

enum class Lands { on_owner, on_first };

class SteeringTest : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] static bool v6() { return GetParam(); }
  [[nodiscard]] Flow random_flow() {
    return {random_end(random_, v6()), random_end(random_, v6()), random_end(random_, v6())};
  }
  // Destination unreachable, time exceeded, parameter problem.
  [[nodiscard]] static std::array<std::uint8_t, 3> error_types() {
    if (v6()) return {1, 3, 4};
    return {3, 11, 12};
  }
  [[nodiscard]] static PacketBuilder unreachable(const Flow& flow, const PacketBuilder& quoted) {
    return icmp_error(flow.router, flow.a, error_types().front(), 1, quoted);
  }

  // Runs the program over a packet of each of many flows, with a key of its own, both ways.
  void expect(Lands lands, int flows, const std::function<PacketBuilder(const Flow&)>& make) {
    for (int i = 0; i < flows && !HasFailure(); ++i) {
      const SteeringKey key = random_key(random_);
      const auto program = steering_program(key);
      const Flow flow = random_flow();
      const auto parts = make(flow).parts();
      const std::uint32_t expected = lands == Lands::on_owner ? hash_of(key, flow.a, flow.b) : 0;
      for (const Way way : {Way::received, Way::sent}) {
        EXPECT_EQ(test::run_bpf(program, test::for_fanout(parts, way)), expected)
            << "seed " << seed_ << (way == Way::sent ? ", sent" : ", received");
      }
    }
  }

  unsigned seed_ = std::random_device{}();
  std::mt19937 random_{seed_};
};

INSTANTIATE_TEST_SUITE_P(Ip, SteeringTest, testing::Bool(),
                         [](const auto& i) { return i.param ? "v6" : "v4"; });

TEST_P(SteeringTest, HashIsSymmetric) {
  for (int i = 0; i < 1000; ++i) {
    const SteeringKey key = random_key(random_);
    const Flow f = random_flow();
    EXPECT_EQ(hash_of(key, f.a, f.b), hash_of(key, f.b, f.a));
  }
}

TEST_P(SteeringTest, HashDependsOnEveryBitOfTheFourTuple) {
  const SteeringKey key = random_key(random_);
  const Flow f = random_flow();
  const std::uint32_t before = hash_of(key, f.a, f.b);
  for (std::size_t i = 0; i < f.a.address_bytes().size() * 8; ++i) {
    Flow other = f;
    other.a.address.bytes.at(i / 8) ^= static_cast<std::uint8_t>(1U << i % 8);
    EXPECT_NE(hash_of(key, other.a, other.b), before) << "address bit " << i << " seed " << seed_;
  }
  for (unsigned i = 0; i < 16; ++i) {
    Flow other = f;
    other.b.port ^= static_cast<std::uint16_t>(1U << i);
    EXPECT_NE(hash_of(key, other.a, other.b), before) << "port bit " << i << " seed " << seed_;
  }
}

TEST_P(SteeringTest, SegmentsOfBothDirections) {
  expect(Lands::on_owner, 3000, [](const Flow& f) { return segment(f.a, f.b, bit::syn); });
  expect(Lands::on_owner, 3000, [](const Flow& f) {
    return segment(f.b, f.a, bit::syn | bit::ack).tcp_options(20).data(9);
  });
}

TEST_P(SteeringTest, SegmentsBehindATagThatIsTheDevices) {
  expect(Lands::on_owner, 200,
         [](const Flow& f) { return segment(f.a, f.b, bit::ack).vlan(kVlan, 7); });
}

TEST_P(SteeringTest, SegmentsBehindATagLeftInTheBytes) {
  for (const std::uint16_t inner : {kVlan, kQinQ}) {
    expect(Lands::on_owner, 500, [&](const Flow& f) {
      return segment(f.a, f.b, bit::ack).vlan(kQinQ, 7).vlan(inner, 0x0800);
    });
  }
}

TEST_P(SteeringTest, ErrorsThatQuoteTheFlow) {
  expect(Lands::on_owner, 2000,
         [](const Flow& f) { return unreachable(f, segment(f.a, f.b, bit::syn)); });
  expect(Lands::on_owner, 2000,
         [](const Flow& f) { return unreachable(f, segment(f.b, f.a, bit::syn | bit::ack)); });
  for (const std::uint8_t type : error_types()) {
    for (const std::uint8_t code : {std::uint8_t{0}, std::uint8_t{3}}) {
      expect(Lands::on_owner, 500, [&](const Flow& f) {
        return icmp_error(f.router, f.a, type, code, segment(f.a, f.b, bit::syn));
      });
    }
    expect(Lands::on_owner, 500, [&](const Flow& f) {
      return icmp_error(f.router, f.a, type, 0, segment(f.a, f.b, bit::syn))
          .vlan(kQinQ, 7)
          .vlan(kVlan, 8);
    });
  }
}

TEST_P(SteeringTest, QuoteCutBehindThePortsIsEnough) {
  const std::size_t enough = v6() ? 44 : 24;
  for (const std::size_t length : {enough, enough - 1}) {
    expect(length == enough ? Lands::on_owner : Lands::on_first, 200, [&](const Flow& f) {
      const auto quoted = segment(f.a, f.b, bit::syn);
      return icmp_error(f.router, f.a, v6() ? 1 : 3, 0, quoted, length);
    });
  }
}

TEST_P(SteeringTest, OtherProtocolsAreNotSeenThrough) {
  expect(Lands::on_first, 200, [](const Flow& f) { return test::udp(f.a, f.b); });
}

TEST_P(SteeringTest, DeeperTagsMayBeSeenThroughButNeverMisread) {
  for (int i = 0; i < 200; ++i) {
    const SteeringKey key = random_key(random_);
    const Flow f = random_flow();
    const auto packet = segment(f.a, f.b, bit::syn).vlan(kQinQ, 1).vlan(kVlan, 2).vlan(kVlan, 3);
    for (const Way way : {Way::received, Way::sent}) {
      const auto result =
          test::run_bpf(steering_program(key), test::for_fanout(packet.parts(), way));
      EXPECT_TRUE(result == 0 || result == hash_of(key, f.a, f.b)) << "seed " << seed_;
    }
  }
}

TEST_P(SteeringTest, ErrorsAboutOtherThingsAreNotSeenThrough) {
  expect(Lands::on_first, 200, [](const Flow& f) { return unreachable(f, test::udp(f.a, f.b)); });
  for (unsigned type = 0; type < 256; ++type) {
    const auto number = static_cast<std::uint8_t>(type);
    const auto errors = error_types();
    if (std::ranges::find(errors, number) != errors.end()) continue;
    expect(Lands::on_first, 2, [&](const Flow& f) {
      return icmp_error(f.router, f.a, number, 0, segment(f.a, f.b, bit::syn));
    });
  }
}

class SteeringV4Test : public SteeringTest {};
INSTANTIATE_TEST_SUITE_P(Ip, SteeringV4Test, testing::Values(false));

TEST_P(SteeringV4Test, IpOptionsOfEveryLengthAndWhereTheyMayStand) {
  for (std::size_t options = 0; options <= 40; options += 4) {
    expect(Lands::on_owner, 100,
           [&](const Flow& f) { return segment(f.a, f.b, bit::syn).ip_options(options); });
    expect(Lands::on_owner, 100, [&](const Flow& f) {
      return unreachable(f, segment(f.a, f.b, bit::syn)).ip_options(options);
    });
    expect(Lands::on_owner, 100, [&](const Flow& f) {
      return unreachable(f, segment(f.a, f.b, bit::syn).ip_options(options)).ip_options(8);
    });
  }
}

TEST_P(SteeringV4Test, OnlyTheFirstFragmentHasPorts) {
  expect(Lands::on_owner, 200,
         [](const Flow& f) { return segment(f.a, f.b, bit::syn).fragment(0, true); });
  for (const unsigned offset : {1U, 0x1fffU}) {
    for (const bool more : {true, false}) {
      expect(Lands::on_first, 100, [&](const Flow& f) {
        return segment(f.a, f.b, bit::syn).data(64).fragment(offset, more);
      });
    }
  }
}

class SteeringV6Test : public SteeringTest {};
INSTANTIATE_TEST_SUITE_P(Ip, SteeringV6Test, testing::Values(true));

TEST_P(SteeringV6Test, ExtensionHeadersOfAnyLengthAreSteppedOver) {
  for (const unsigned kind : {0U, 43U, 51U, 60U}) {
    for (const std::size_t bytes : {8U, 24U, 256U, 1016U}) {
      const auto behind = [&](PacketBuilder packet) {
        return packet.extension(static_cast<std::uint8_t>(kind), bytes);
      };
      expect(Lands::on_owner, 50,
             [&](const Flow& f) { return behind(segment(f.a, f.b, bit::syn)); });
      expect(Lands::on_owner, 50, [&](const Flow& f) {
        return behind(unreachable(f, behind(segment(f.a, f.b, bit::syn))));
      });
    }
  }
}

TEST_P(SteeringV6Test, ChainsUpToEightHeadersAreSteppedOver) {
  constexpr int kMost = 8;
  for (int length = 1; length <= kMost + 1; ++length) {
    const auto chain = [&](PacketBuilder packet) {
      for (int i = 0; i < length; ++i) {
        if (i % 4 == 0) packet.extension(60, 16);
        if (i % 4 == 1) packet.fragment_header(0, true);
        if (i % 4 == 2) packet.extension(51, 24);
        if (i % 4 == 3) packet.extension(43);
      }
      return packet;
    };
    const Lands lands = length <= kMost ? Lands::on_owner : Lands::on_first;
    expect(lands, 50, [&](const Flow& f) { return chain(segment(f.a, f.b, bit::syn)); });
    expect(lands, 50,
           [&](const Flow& f) { return unreachable(f, chain(segment(f.a, f.b, bit::syn))); });
    expect(lands, 50, [&](const Flow& f) {
      return chain(unreachable(f, chain(segment(f.a, f.b, bit::syn))));
    });
  }
}

TEST_P(SteeringV6Test, OtherHeadersAreNotSeenThrough) {
  for (const unsigned kind : {50U, 59U, 135U}) {
    expect(Lands::on_first, 50, [&](const Flow& f) {
      return segment(f.a, f.b, bit::syn).extension(static_cast<std::uint8_t>(kind), 24);
    });
  }
}

TEST(SteeringProgramTest, FitsTheKernelAndSurvivesEveryTruncation) {
  std::mt19937 random(3);
  const SteeringKey key = random_key(random);
  const auto program = steering_program(key);
  EXPECT_LE(program.size(), std::size_t{BPF_MAXINSNS});
  for (const bool v6 : {false, true}) {
    const End a = random_end(random, v6);
    const End b = random_end(random, v6);
    const auto plain = segment(a, b, bit::syn);
    const auto error = icmp_error(b, a, v6 ? 1 : 3, 0, plain);
    for (PacketBuilder packet :
         {plain, error, PacketBuilder(plain).vlan(kQinQ, 1).vlan(kVlan, 2)}) {
      test::KernelPacket shown = test::for_fanout(packet.parts(), Way::received);
      for (; shown.bytes.size() > shown.network_at; shown.bytes.pop_back()) {
        const std::uint32_t result = test::run_bpf(program, shown);
        EXPECT_TRUE(result == 0 || result == hash_of(key, a, b));
      }
    }
  }
}

TEST(SteeringProgramTest, NeitherIpNorTagIsNotSeenThrough) {
  std::mt19937 random(4);
  const auto program = steering_program(random_key(random));
  const auto syn = segment({"192.0.2.1", 1}, {"192.0.2.2", 2}, bit::syn);
  test::KernelPacket packet = test::for_fanout(syn.parts(), Way::received);
  for (const unsigned type : {0x0806U, 0x88ccU, 0x8864U, 0U}) {
    packet.protocol = static_cast<std::uint16_t>(type);
    EXPECT_EQ(test::run_bpf(program, packet), 0U) << type;
  }
}

}  // namespace
}  // namespace tcpeek::ring
