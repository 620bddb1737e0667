// On a real wire: what the capture filter lets through reaches the socket, and what the man page says is
// not captured does not.
#include "ring/capture_program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "ring/capture_group.h"
#include "tests/support/ends.h"
#include "tests/support/live_ring.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::ring {
namespace {

using test::End;
using test::icmp_error;
using test::kQinQ;
using test::kVlan;
using test::PacketBuilder;
using test::segment;
namespace bit = test::tcp_bit;

using Types = std::initializer_list<std::uint8_t>;
using Frame = std::vector<std::byte>;

const End kA4{"192.0.2.1", 40000}, kB4{"198.51.100.2", 80};
const End kA6{"2001:db8::1", 40000}, kB6{"2001:db8:1::2", 80};

// A name in the source MAC address, which the kernel leaves as it is.
constexpr std::size_t kMarkAt = 6;
std::uint8_t mark_of(const Frame& frame) {
  return std::to_integer<std::uint8_t>(frame.at(kMarkAt + 5));
}

struct Sent {
  std::string name;
  Frame frame;
  bool captured;
};

class CaptureProgramLiveTest : public test::LiveTest {
 protected:
  void expect(const char* name, const PacketBuilder& packet, bool captured) {
    expect_frame(name, packet.build(), captured);
  }
  void expect_frame(const char* name, Frame frame, bool captured) {
    frame.at(kMarkAt + 5) = static_cast<std::byte>(sent_.size());
    sent_.push_back({name, std::move(frame), captured});
  }

  // Sends them all to tp0, until all that should be captured there have been.
  void check(const CaptureFilter& filter) {
    const CaptureTarget target{"tp0", test::index_of("tp0"), Access::link_layer};
    const auto program = capture_program(filter, target.access, 0);
    auto sockets = open_capture_group(
        target, 1,
        {.geometry = ring_geometry(1), .promiscuous = true, .filter = program, .steering = {}});
    const test::FrameSender sender("tp1");
    std::vector<bool> captured(sent_.size());
    const auto complete = [&] {
      for (const auto& packet : test::drain(sockets.front())) {
        captured.at(mark_of(packet.bytes)) = true;
      }
      return std::ranges::equal(sent_, captured,
                                [](const Sent& s, bool seen) { return seen || !s.captured; });
    };
    // Again, as a busy machine may drop some (see steering_live_test.cc). The last one is captured, so
    // those before it have been judged.
    expect("the last one", segment(kA4, kB4, bit::syn), true);
    captured.resize(sent_.size());
    EXPECT_TRUE(test::eventually([&] {
      for (const Sent& s : sent_) sender.send(s.frame);
      return test::eventually(complete, std::chrono::seconds(1));
    }));
    for (std::size_t i = 0; i < sent_.size(); ++i) {
      EXPECT_EQ(captured[i], sent_[i].captured) << sent_[i].name;
    }
  }

 private:
  std::vector<Sent> sent_;
};

TEST_F(CaptureProgramLiveTest, SegmentsOfAHandshakeAndFinWithData) {
  for (const auto& [a, b] : {std::pair{kA4, kB4}, {kA6, kB6}}) {
    for (const bool tagged : {false, true}) {
      const auto add = [&](const char* name, PacketBuilder packet, bool captured) {
        if (tagged) packet.vlan(kVlan, 5);
        expect(name, packet, captured);
      };
      add("SYN", segment(a, b, bit::syn), true);
      add("ACK", segment(a, b, bit::ack), true);
      add("ACK with data", segment(a, b, bit::ack).data(9), false);
      add("FIN with data", segment(a, b, bit::fin | bit::ack).data(9), true);
      add("RST with data", segment(a, b, bit::rst | bit::ack).data(9), true);
    }
  }
  check({});
}

TEST_F(CaptureProgramLiveTest, IcmpErrorsThatEndAnAttempt) {
  const auto v4 = segment(kA4, kB4, bit::syn);
  const auto v6 = segment(kA6, kB6, bit::syn);
  for (const std::uint8_t type : Types{3, 11, 12})
    expect("ICMP", icmp_error(kB4, kA4, type, 1, v4), true);
  for (const std::uint8_t type : Types{1, 3, 4})
    expect("ICMPv6", icmp_error(kB6, kA6, type, 1, v6), true);
  expect("fragmentation needed", icmp_error(kB4, kA4, 3, 4, v4), false);
  expect("source quench", icmp_error(kB4, kA4, 4, 0, v4), false);
  expect("redirect", icmp_error(kB4, kA4, 5, 0, v4), false);
  expect("packet too big", icmp_error(kB6, kA6, 2, 0, v6), false);
  check({.icmp = true, .narrowed_by = ""});
}

TEST_F(CaptureProgramLiveTest, FirstFragmentsCutInTheTcpHeader) {
  const auto v4 = segment(kA4, kB4, bit::ack).data(64);
  const auto v6 = segment(kA6, kB6, bit::ack).data(64);
  for (const std::size_t kept : {8U, 16U}) {
    expect("first", PacketBuilder(v4).fragment(0, true).keep(kept), true);
    expect("first, padded", PacketBuilder(v4).fragment(0, true).keep(kept).padding(18), true);
    expect("first of IPv6", PacketBuilder(v6).fragment_header(0, true).keep(kept), true);
  }
  expect("first with the whole header and data", PacketBuilder(v4).fragment(0, true), false);
  expect("later", PacketBuilder(v4).fragment(1, false), false);
  expect("later of IPv6", PacketBuilder(v6).fragment_header(1, false), false);
  check({});
}

TEST_F(CaptureProgramLiveTest, HeadersThatAreSteppedOver) {
  expect("AH", segment(kA4, kB4, bit::syn).extension(51, 24), true);
  for (const std::uint8_t type : Types{0, 43, 51, 60, 135, 139, 140}) {
    expect("extension header", segment(kA6, kB6, bit::syn).extension(type, 16), true);
  }
  check({});
}

// The kernel takes the outermost one out of the bytes.
TEST_F(CaptureProgramLiveTest, AnyNumberOfTags) {
  auto packet = segment(kA4, kB4, bit::syn);
  for (int tags = 1; tags <= 10; ++tags) expect("tags", packet.vlan(kQinQ, 5), true);
  check({});
}

TEST_F(CaptureProgramLiveTest, AnExpressionIsMatchedBehindTwoTagsInTheBytes) {
  auto packet = segment(kA4, kB4, bit::syn);
  for (int tags = 1; tags <= 6; ++tags) expect("tags", packet.vlan(kVlan, 5), tags <= 3);
  check({.narrowed_by = "port 80"});
}

// As `any` sees it: packets tell by their length how many tags are left in them.
TEST_F(CaptureProgramLiveTest, WithoutLinkHeaderAnExpressionIsMatchedBehindOneTagInTheBytes) {
  const CaptureTarget target{"tp0", test::index_of("tp0"), Access::network_layer};
  const auto packet = segment(kA4, kB4, bit::syn);
  const std::size_t bare = packet.network().size();
  for (const char* narrowed_by : {"", "port 80"}) {
    const auto program = capture_program(
        {.scope = CaptureScope::handshake, .icmp = false, .narrowed_by = narrowed_by},
        target.access, 0);
    auto sockets = open_capture_group(
        target, 1,
        {.geometry = ring_geometry(1), .promiscuous = true, .filter = program, .steering = {}});
    const test::FrameSender sender("tp1");
    const auto send = [&](int tags) {
      auto tagged = packet;
      for (int i = 0; i < tags; ++i) tagged.vlan(kVlan, 5);
      sender.send(tagged.build());
    };
    std::set<std::size_t> wanted{bare, bare + 4};
    if (*narrowed_by == '\0') wanted.insert({bare + 8, bare + 12, bare + 16});
    std::set<std::size_t> lengths;
    EXPECT_TRUE(test::eventually([&] {
      for (const int tags : {5, 4, 3, 2, 1}) send(tags);
      return test::eventually(
          [&] {
            for (const auto& p : test::drain(sockets.front())) lengths.insert(p.wire_length);
            return std::ranges::includes(lengths, wanted);
          },
          std::chrono::seconds(1));
    }));
    EXPECT_EQ(lengths, wanted) << narrowed_by;
  }
}

TEST_F(CaptureProgramLiveTest, OtherLinkHeadersAreNotLookedBehind) {
  const Frame plain = segment(kA4, kB4, bit::syn).build();
  const auto behind = [&](const char* name, std::initializer_list<unsigned> header) {
    Frame frame(plain.begin(), plain.begin() + 12);
    for (const unsigned byte : header) frame.push_back(static_cast<std::byte>(byte));
    frame.insert(frame.end(), plain.begin() + 14, plain.end());
    expect_frame(name, std::move(frame), false);
  };
  behind("MPLS", {0x88, 0x47, 0, 0, 0x11, 0x40});
  behind("PPPoE", {0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0, 0x21});
  behind("LLC and SNAP", {0, 48, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0});
  behind("VN-Tag", {0x89, 0x26, 0, 0, 0, 0, 8, 0});
  behind("E-Tag", {0x89, 0x3f, 0, 0, 0, 0, 0, 0, 8, 0});
  check({});
}

}  // namespace
}  // namespace tcpeek::ring
