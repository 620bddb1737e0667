// The kernel runs the steering program: every packet of a flow, in either direction and in ICMP
// errors about it, lands on the member that owner(steering_hash()) names.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "ring/capture_group.h"
#include "ring/steering.h"
#include "tests/support/ends.h"
#include "tests/support/live_ring.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::ring {
namespace {

using test::End;
using test::icmp_error;
using test::ip;
using test::kQinQ;
using test::kVlan;
using test::PacketBuilder;
using test::random_end;
using test::segment;
namespace bit = test::tcp_bit;

using Frame = std::vector<std::byte>;
using namespace std::chrono_literals;

constexpr unsigned kMembers = 4;
const SteeringKey kKey = SteeringKey::from({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344});

std::uint32_t hash_of(const End& a, const End& b) {
  return steering_hash(kKey, {a.address_bytes(), a.port}, {b.address_bytes(), b.port});
}

class SteeringLiveTest : public test::LiveTest {
 protected:
  // What a socket sees.
  struct Shown {
    Frame bytes;
    bool outgoing = false;

    // Not by <=>, about which gcc 12 warns where it optimises (-Wstringop-overread).
    bool operator<(const Shown& o) const {
      if (outgoing != o.outgoing) return o.outgoing;
      return std::ranges::lexicographical_compare(bytes, o.bytes);
    }
  };
  struct Packet {
    Frame sent;
    unsigned member;
  };

  // Joins all members on tp0.
  void open() {
    const auto steering = steering_program(kKey);
    members_ = open_capture_group({"tp0", test::index_of("tp0"), Access::link_layer}, kMembers,
                                  {.geometry = ring_geometry(1),
                                   .promiscuous = false,
                                   .filter = test::kAcceptAll,
                                   .steering = steering});
  }

  // Sends it to tp0, and out by tp0; `shown` is what its sockets will see.
  void both_ways(const Frame& frame, const Frame& shown, unsigned member) {
    from_outside(frame, shown, member);
    from_inside(frame, frame, member);
  }
  void from_outside(const Frame& frame, const Frame& shown, unsigned member) {
    expected_[{shown, false}] = {frame, member};
    outside_->send(frame);
  }
  void from_inside(const Frame& frame, const Frame& shown, unsigned member) {
    expected_[{shown, true}] = {frame, member};
    inside_->send(frame);
  }

  // A processor's backlog is one for all namespaces: what else runs on this machine may fill it, and
  // the kernel then drops packets of ours.
  void send_missing(const std::map<Shown, unsigned>& landed) {
    for (const auto& [shown, packet] : expected_) {
      if (!landed.contains(shown)) (shown.outgoing ? inside_ : outside_)->send(packet.sent);
    }
  }

  void check() {
    std::map<Shown, unsigned> landed;
    const auto all_landed = [&] {
      for (unsigned i = 0; i < kMembers; ++i) {
        for (const auto& p : test::drain(members_[i])) {
          landed[{p.bytes, p.packet_type == PACKET_OUTGOING}] = i;
        }
      }
      return landed.size() >= expected_.size();
    };
    EXPECT_TRUE(test::eventually([&] {
      if (test::eventually(all_landed, 1s)) return true;
      send_missing(landed);
      return false;
    })) << landed.size()
        << " of " << expected_.size() << " packets arrived";
    std::size_t wrong = 0;
    for (const auto& [shown, packet] : expected_) {
      const auto it = landed.find(shown);
      if (it == landed.end() || it->second != packet.member) ++wrong;
    }
    EXPECT_EQ(wrong, 0U) << "of " << expected_.size() << " packets on another member";
    EXPECT_EQ(landed.size(), expected_.size()) << "packets nobody sent";
  }

  void SetUp() override {
    LiveTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    inside_.emplace("tp0");
    outside_.emplace("tp1");
    open();
  }

  std::mt19937 random_{20260101};
  std::vector<PacketSocket> members_;
  std::map<Shown, Packet> expected_;
  std::optional<test::FrameSender> inside_;
  std::optional<test::FrameSender> outside_;
};

TEST_F(SteeringLiveTest, EveryPacketOfAFlowLandsOnItsOwner) {
  std::set<unsigned> owners;
  for (std::uint32_t i = 0; i < 200; ++i) {
    const bool v6 = i % 2 == 1;
    const End a = random_end(random_, v6);
    const End b = random_end(random_, v6);
    const End router = random_end(random_, v6);
    const unsigned member = owner(hash_of(a, b), kMembers);
    owners.insert(member);
    const auto syn = segment(a, b, bit::syn).seq(i).tcp_options(20);
    std::vector<PacketBuilder> packets{syn, segment(b, a, bit::syn | bit::ack).seq(i)};
    for (const unsigned type : v6 ? std::array{1U, 3U, 4U} : std::array{3U, 11U, 12U}) {
      packets.push_back(icmp_error(router, a, static_cast<std::uint8_t>(type), 1, syn));
    }
    for (const PacketBuilder& packet : packets) {
      const Frame plain = packet.build();
      both_ways(plain, plain, member);
    }
  }
  EXPECT_EQ(owners.size(), kMembers);
  check();
}

TEST_F(SteeringLiveTest, OptionsAndExtensionHeadersDoNotHideTheFlow) {
  for (std::uint32_t i = 0; i < 100; ++i) {
    const bool v6 = i % 2 == 1;
    const End a = random_end(random_, v6);
    const End b = random_end(random_, v6);
    const unsigned member = owner(hash_of(a, b), kMembers);
    auto syn = segment(a, b, bit::syn).seq(i);
    v6 ? syn.extension(0).extension(60, 16) : syn.ip_options(8);
    for (const Frame& frame : {syn.build(), icmp_error(b, a, v6 ? 1 : 3, 1, syn).build()}) {
      both_ways(frame, frame, member);
    }
  }
  check();
}

TEST_F(SteeringLiveTest, ReceivedTagsDoNotHideTheFlow) {
  for (std::uint32_t i = 0; i < 100; ++i) {
    const End a = random_end(random_, i % 2 == 1);
    const End b = random_end(random_, i % 2 == 1);
    const unsigned member = owner(hash_of(a, b), kMembers);
    const auto syn = segment(a, b, bit::syn).seq(i);
    // The kernel takes the outer tag out of the bytes.
    const Frame one = PacketBuilder(syn).vlan(kVlan, 5).build();
    from_outside(one, syn.build(), member);
    const Frame two = PacketBuilder(syn).vlan(kQinQ, 6).vlan(kVlan, 5).build();
    from_outside(two, one, member);
  }
  check();
}

// As from a VLAN device above one that cannot write tags itself: all tags are in the bytes, and the
// kernel's network header is the IP header.
TEST_F(SteeringLiveTest, TagInTheBytesOfASentPacketDoesNotHideTheFlow) {
  for (std::uint32_t i = 0; i < 100; ++i) {
    const End a = random_end(random_, i % 2 == 1);
    const End b = random_end(random_, i % 2 == 1);
    const unsigned member = owner(hash_of(a, b), kMembers);
    const auto syn = segment(a, b, bit::syn).seq(i).vlan(kVlan, 5);
    const auto error = icmp_error(b, a, i % 2 == 1 ? 1 : 3, 1, syn).vlan(kVlan, 5);
    from_inside(syn.build(), syn.build(), member);
    from_inside(error.build(), error.build(), member);
  }
  check();
}

TEST_F(SteeringLiveTest, MembersKeepTheirPlacesWhenTheInterfaceComesBack) {
  for (int round = 0; round < 2; ++round) {
    ip("link set tp0 down");
    test::bring_up({"tp0", "tp1"});
    for (PacketSocket& member : members_) static_cast<void>(member.take_error());
    for (std::uint32_t i = 0; i < 50; ++i) {
      const End a = random_end(random_, false);
      const End b = random_end(random_, false);
      const Frame frame = segment(a, b, bit::syn).seq(i).build();
      both_ways(frame, frame, owner(hash_of(a, b), kMembers));
    }
    check();
    expected_.clear();
  }
}

TEST_F(SteeringLiveTest, WhatTheProgramCannotSeeLandsOnTheFirstMember) {
  for (std::uint32_t i = 0; i < 20; ++i) {
    const End a = random_end(random_, false);
    const End b = random_end(random_, false);
    const Frame later = segment(a, b, bit::syn).seq(i).data(64).fragment(i + 1, true).build();
    both_ways(later, later, 0);
    const Frame datagram = test::udp(a, b).build();
    both_ways(datagram, datagram, 0);
  }
  check();
}

}  // namespace
}  // namespace tcpeek::ring
