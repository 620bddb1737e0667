// What the kernel filter lets through: each kind of packet, in each mode, at the link and at the
// network layer, however many tags stand in the bytes.
#include "ring/capture_program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "ring/offline_filter.h"
#include "ring/tunnel_filter.h"
#include "tests/support/bpf_machine.h"
#include "tests/support/ends.h"
#include "tests/support/kernel_view.h"
#include "tests/support/seeds.h"

namespace tcpeek::ring {
namespace {

using test::End;
using test::icmp_error;
using test::KernelPacket;
using test::kQinQ;
using test::kVlan;
using test::PacketBuilder;
using test::PacketParts;
using test::segment;
using test::Way;
namespace bit = test::tcp_bit;

const End kA4{"192.0.2.1", 40000}, kB4{"198.51.100.2", 80};
const End kA6{"2001:db8::1", 40000}, kB6{"2001:db8:1::2", 80};

// In which modes a packet is let through.
enum Modes : unsigned {
  none = 0,
  handshake = 1,
  handshake_icmp = 2,
  tcp = 4,
  tcp_icmp = 8,
  with_icmp = handshake_icmp | tcp_icmp,
  all_tcp = tcp | tcp_icmp,
  all = 15,
};

CaptureFilter filter_of(unsigned mode) {
  CaptureFilter filter;
  filter.scope = (mode & all_tcp) != 0 ? CaptureScope::tcp : CaptureScope::handshake;
  filter.icmp = (mode & with_icmp) != 0;
  return filter;
}

struct Case {
  std::string name;
  PacketBuilder packet;
  unsigned modes;
};

PacketBuilder icmp(bool v6, unsigned type, unsigned code) {
  const auto quoted = v6 ? segment(kA6, kB6, bit::syn) : segment(kA4, kB4, bit::syn);
  return icmp_error(v6 ? kB6 : kB4, v6 ? kA6 : kA4, static_cast<std::uint8_t>(type),
                    static_cast<std::uint8_t>(code), quoted);
}

PacketBuilder first_fragment(PacketBuilder packet) {
  return packet.parts().v6() ? packet.fragment_header(0, true) : packet.fragment(0, true);
}

// What both families have in common.
void add_segments(std::vector<Case>& cases, const std::string& family, const End& a, const End& b) {
  const auto add = [&](const char* name, const PacketBuilder& packet, unsigned modes) {
    cases.push_back({family + name, packet, modes});
  };
  add("SYN", segment(a, b, bit::syn), all);
  add("SYN with data", segment(a, b, bit::syn).data(100), all);
  add("SYN with every TCP option", segment(a, b, bit::syn).tcp_options(40), all);
  add("ECN SYN", segment(a, b, bit::syn | 0xc0), all);
  add("SYN/ACK", segment(b, a, bit::syn | bit::ack).tcp_options(20), all);
  add("RST", segment(b, a, bit::rst), all);
  add("RST/ACK with data", segment(b, a, bit::rst | bit::ack).data(10), all);
  add("FIN/ACK", segment(a, b, bit::fin | bit::ack), all);
  add("FIN/ACK with data", segment(a, b, bit::fin | bit::ack).data(1), all);
  add("FIN/PSH/ACK with data and options",
      segment(a, b, bit::fin | bit::psh | bit::ack).tcp_options(12).data(1400), all);
  add("FIN of a first fragment with data",
      first_fragment(segment(a, b, bit::fin | bit::ack).data(64)), all);
  add("ACK", segment(a, b, bit::ack), all);
  add("ACK in a padded frame", segment(a, b, bit::ack).padding(6), all);
  add("ACK with options", segment(a, b, bit::ack).tcp_options(12), all);
  add("ACK with every option", segment(a, b, bit::ack).tcp_options(40), all);
  add("ACK with one byte", segment(a, b, bit::ack).data(1), all_tcp);
  add("ACK with options and a byte", segment(a, b, bit::ack).tcp_options(12).data(1), all_tcp);
  add("PSH/ACK with data", segment(a, b, bit::psh | bit::ack).data(1400), all_tcp);
  add("UDP", test::udp(a, b), none);
}

std::vector<Case> cases() {
  std::vector<Case> result;
  add_segments(result, "IPv4 ", kA4, kB4);
  add_segments(result, "IPv6 ", kA6, kB6);
  const auto add = [&](const char* name, const PacketBuilder& packet, unsigned modes) {
    result.push_back({name, packet, modes});
  };
  const auto v4 = [](unsigned flags) {
    return segment(kA4, kB4, static_cast<std::uint8_t>(flags));
  };
  const auto v6 = [](unsigned flags) {
    return segment(kA6, kB6, static_cast<std::uint8_t>(flags));
  };
  add("SYN behind IP options", v4(bit::syn).ip_options(40), all);
  add("ACK behind IP options", v4(bit::ack).ip_options(4).tcp_options(12), all);
  add("ACK with data behind IP options", v4(bit::ack).ip_options(40).data(1), all_tcp);
  add("first fragment of a SYN", v4(bit::syn).fragment(0, true), all);
  add("first fragment of data", v4(bit::ack).data(64).fragment(0, true), all_tcp);
  for (std::size_t kept = 0; kept < 20; ++kept) {
    const auto cut = v4(bit::ack).data(64).fragment(0, true).keep(kept);
    add("first fragment cut in the TCP header", cut, all);
    add("padded first fragment cut there", PacketBuilder(cut).padding(40), all);
    add("first fragment cut there behind IP options", PacketBuilder(cut).ip_options(40), all);
    add("first IPv6 fragment cut there", v6(bit::ack).fragment_header(0, true).keep(kept), all);
  }
  add("first fragment cut in the TCP options",
      v4(bit::ack).tcp_options(40).fragment(0, true).keep(56), all);
  add("TCP header cut, but no fragment", v4(bit::ack).tcp_options(12).keep(24), all_tcp);
  add("later fragment that looks like a SYN", v4(bit::syn).fragment(1, false), none);
  add("fragment in the middle", v4(bit::syn).fragment(0x1fff, true), none);
  for (const unsigned kind : {0U, 43U, 51U, 60U, 135U, 139U, 140U}) {
    const auto type = static_cast<std::uint8_t>(kind);
    const std::string behind = " behind extension header " + std::to_string(kind);
    result.push_back({"SYN" + behind, v6(bit::syn).extension(type), all});
    result.push_back({"SYN" + behind + " of 24", v6(bit::syn).extension(type, 24), all});
    // Too far to look: let through.
    result.push_back({"data" + behind, v6(bit::ack).data(9).extension(type), all});
    result.push_back({"UDP" + behind, test::udp(kA6, kB6).extension(type), none});
    result.push_back({"unreachable" + behind, icmp(true, 1, 0).extension(type), with_icmp});
    result.push_back(
        {"chain" + behind, v6(bit::syn).extension(type).extension(60).extension(43), all});
  }
  add("SYN behind AH", v4(bit::syn).extension(51, 24), all);
  add("SYN behind AH and IP options", v4(bit::syn).ip_options(40).extension(51, 24), all);
  // Too far to look: let through.
  add("data behind AH", v4(bit::ack).data(9).extension(51, 24), all);
  add("UDP behind AH", test::udp(kA4, kB4).extension(51, 24), none);
  add("ICMP error behind AH", icmp(false, 3, 1).extension(51, 24), with_icmp);
  add("later fragment of AH", v4(bit::syn).extension(51, 24).fragment(1, false), none);
  add("atomic fragment", v6(bit::syn).fragment_header(0, false), all);
  add("first IPv6 fragment", v6(bit::syn).fragment_header(0, true), all);
  add("later IPv6 fragment", v6(bit::syn).fragment_header(1, true), none);
  add("last IPv6 fragment", v6(bit::syn).fragment_header(0x1fff, false), none);
  add("first IPv6 fragment of UDP", test::udp(kA6, kB6).fragment_header(0, true), none);
  for (const unsigned code : {0U, 1U, 2U, 3U, 5U, 9U, 13U, 15U}) {
    add("ICMP unreachable", icmp(false, 3, code), with_icmp);
  }
  add("ICMP fragmentation needed", icmp(false, 3, 4), none);
  for (const unsigned code : {0U, 1U}) {
    add("ICMP time exceeded", icmp(false, 11, code), with_icmp);
    add("ICMP parameter problem", icmp(false, 12, code), with_icmp);
    add("ICMPv6 time exceeded", icmp(true, 3, code), with_icmp);
    add("ICMPv6 parameter problem", icmp(true, 4, code), with_icmp);
  }
  add("ICMP error behind IP options", icmp(false, 11, 0).ip_options(40), with_icmp);
  add("first fragment of an ICMP error", icmp(false, 12, 0).fragment(0, true), with_icmp);
  add("later fragment like an ICMP error", icmp(false, 3, 0).fragment(1, false), none);
  for (const unsigned type : {0U, 4U, 5U, 8U, 10U, 13U}) {
    add("ICMP that is no error about TCP", icmp(false, type, 0), none);
  }
  for (const unsigned code : {0U, 1U, 3U, 4U, 6U}) {
    add("ICMPv6 unreachable", icmp(true, 1, code), with_icmp);
  }
  for (const unsigned type : {0U, 2U, 5U, 128U, 129U, 135U}) {
    add("ICMPv6 that is no error about TCP", icmp(true, type, 0), none);
  }
  add("ARP", v4(bit::syn).ethertype(0x0806), none);
  // Their 13th byte would be a data offset that leaves no payload.
  for (const std::uint8_t number : {std::uint8_t{17}, std::uint8_t{50}, std::uint8_t{132}}) {
    add("IPv4 of another protocol", v4(0).raw(number, 20), none);
    add("IPv6 of another protocol", v6(0).raw(number, 20), none);
  }
  add("LLDP", v4(bit::syn).ethertype(0x88cc), none);
  return result;
}

// Every way the kernel may show a packet to a socket of this access.
std::vector<KernelPacket> shown(const PacketBuilder& packet, Access access) {
  const auto once = PacketBuilder(packet).vlan(kVlan, 5).parts();
  const auto twice = PacketBuilder(packet).vlan(kQinQ, 6).vlan(kVlan, 5).parts();
  const auto vlan_twice = PacketBuilder(packet).vlan(kVlan, 6).vlan(kVlan, 5).parts();
  const auto& plain = packet.parts();
  if (access == Access::network_layer) {
    return {test::for_datagram_socket(plain, Way::received),
            test::for_datagram_socket(plain, Way::sent),
            test::for_datagram_socket(once, Way::received),
            test::for_datagram_socket(twice, Way::received),
            test::for_datagram_socket(vlan_twice, Way::received)};
  }
  return {test::for_raw_socket(plain, Way::received),
          test::for_raw_socket(plain, Way::sent),
          test::for_raw_socket(once, Way::received),
          test::for_raw_socket(twice, Way::received),
          test::for_raw_socket(twice, Way::sent),
          test::all_in_bytes(once),
          test::all_in_bytes(twice),
          test::all_in_bytes(vlan_twice)};
}

class CaptureProgramLayerTest : public testing::TestWithParam<Access> {};

INSTANTIATE_TEST_SUITE_P(Layer, CaptureProgramLayerTest,
                         testing::Values(Access::link_layer, Access::network_layer),
                         [](const auto& i) {
                           return i.param == Access::link_layer ? "link" : "network";
                         });

TEST_P(CaptureProgramLayerTest, EveryKindOfPacketInEveryMode) {
  for (const unsigned mode : {handshake, handshake_icmp, tcp, tcp_icmp}) {
    const auto program = capture_program(filter_of(mode), GetParam(), 0);
    for (const Case& c : cases()) {
      const std::uint32_t expected = (c.modes & mode) != 0 ? kSnapLength : 0;
      std::size_t view = 0;
      for (const KernelPacket& packet : shown(c.packet, GetParam())) {
        EXPECT_EQ(test::run_bpf(program, packet), expected)
            << c.name << ", mode " << mode << ", view " << view;
        ++view;
      }
    }
  }
}

// What stands in the program before libpcap's own code must not judge otherwise than that, but for tunnels,
// which have a part of their own.
TEST(CaptureProgramEthernetTest, JudgesAsLibpcapDoesWhateverTheBytes) {
  for (const unsigned mode : {handshake, handshake_icmp, tcp, tcp_icmp}) {
    const auto program = capture_program(filter_of(mode), Access::link_layer, 0);
    const auto tunnels = tunnel_program(filter_of(mode), Access::link_layer);
    const OfflineFilter libpcap(1, capture_expression(filter_of(mode)));
    test::for_each_seed(300, [&](std::uint64_t seed) {
      std::mt19937_64 random(seed);
      const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
      const auto all = cases();
      auto bytes = all[below(all.size())].packet.build();
      for (std::size_t round = 0; round < 40; ++round) {
        // Mostly where the headers of plain packets are.
        const std::size_t at = below(std::min<std::size_t>(bytes.size(), 12 + 60));
        // An IP version that is not the ethertype's is let through by libpcap, and means nothing.
        const std::byte kept = at == 14 ? std::byte{0xf0} : std::byte{0};
        const auto random_byte = std::byte(below(4) == 0 ? random() : std::uint64_t{1} << below(8));
        bytes[at] = (bytes[at] & kept) | (random_byte & ~kept);
        if (below(50) == 0 && bytes.size() > 20) bytes.resize(bytes.size() - below(20));
        const bool passes = test::run_bpf(program, {.bytes = bytes}) != 0;
        const bool tunnelled = test::run_bpf(tunnels, {.bytes = bytes}) != 0;
        const auto size = static_cast<std::uint32_t>(bytes.size());
        ASSERT_EQ(passes, libpcap.matches(bytes, size) || tunnelled)
            << "mode " << mode << ", round " << round;
      }
    });
  }
}

// The same where it matters: segments that are plain or nearly so, with any flags and lengths.
TEST(CaptureProgramEthernetTest, JudgesNearlyPlainSegmentsAsLibpcapDoes) {
  const auto program = capture_program(filter_of(handshake), Access::link_layer, 0);
  const OfflineFilter libpcap(1, capture_expression(filter_of(handshake)));
  test::for_each_seed(3000, [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    const bool v6 = below(2) == 0;
    auto packet = segment(v6 ? kA6 : kA4, v6 ? kB6 : kB4, static_cast<std::uint8_t>(below(256)));
    packet.tcp_options(4 * below(11)).data(below(3) * below(40)).padding(below(20));
    const std::size_t length = packet.network().size();
    if (below(4) == 0) packet.data_offset(static_cast<std::uint8_t>(below(16)));
    if (below(4) == 0) packet.keep(below(40));
    if (below(4) == 0) packet.ip_length(below(static_cast<unsigned>(length) + 8));
    if (below(4) == 0) packet.fragment(below(3), below(2) == 0);
    const auto bytes = packet.build();
    const bool passes = test::run_bpf(program, {.bytes = bytes}) != 0;
    ASSERT_EQ(passes, libpcap.matches(bytes, static_cast<std::uint32_t>(bytes.size())));
  });
}

// As deep as the filter does not look, it cannot know what follows; with an expression to match, it
// must not let it through.
TEST_P(CaptureProgramLayerTest, PacketsBehindMoreTagsPassUnlessNarrowed) {
  CaptureFilter narrowed;
  narrowed.narrowed_by = "port 80";
  for (const std::uint16_t type : {kVlan, kQinQ, std::uint16_t{0x9100}}) {
    for (auto packet : {segment(kA4, kB4, bit::syn), segment(kA6, kB6, bit::ack).data(9)}) {
      const unsigned looked_behind = GetParam() == Access::link_layer ? 2 : 1;
      for (unsigned tags = 1; tags <= 9; ++tags) {
        packet.vlan(type, 7);
        KernelPacket view = test::all_in_bytes(packet.parts());
        if (GetParam() == Access::network_layer) view.data_at = view.network_at;
        const bool deep = tags > looked_behind;
        const bool data = packet.parts().data != 0;
        EXPECT_EQ(test::run_bpf(capture_program({}, GetParam(), 0), view) != 0, deep || !data)
            << tags;
        EXPECT_EQ(test::run_bpf(capture_program(narrowed, GetParam(), 0), view) != 0,
                  !deep && !data)
            << tags;
      }
    }
  }
}

TEST_P(CaptureProgramLayerTest, TruncatedPacketsDoNotPassForWhatTheyAreNot) {
  const auto program = capture_program(filter_of(handshake_icmp), GetParam(), 0);
  for (const auto& packet : {segment(kA4, kB4, bit::syn), segment(kA6, kB6, bit::syn)}) {
    // Up to the TCP flags.
    const std::size_t needed = 14 + packet.parts().transport_offset() + 14;
    for (KernelPacket view : shown(packet, GetParam())) {
      if (view.bytes.size() != packet.build().size()) continue;
      for (; view.bytes.size() > view.data_at; view.bytes.pop_back()) {
        EXPECT_EQ(test::run_bpf(program, view), view.bytes.size() >= needed ? kSnapLength : 0)
            << view.bytes.size();
      }
    }
  }
}

TEST_P(CaptureProgramLayerTest, LeavingPacketsOfLoopbackAreRejectedAndOnlyThose) {
  constexpr std::uint32_t kLoopback = 7;
  const auto program = capture_program({}, GetParam(), kLoopback);
  const auto watched_elsewhere = capture_program({}, GetParam(), 0);
  for (KernelPacket view : shown(segment(kA4, kB4, bit::syn), GetParam())) {
    view.interface = kLoopback;
    const bool leaves = view.packet_type == PACKET_OUTGOING;
    EXPECT_EQ(test::run_bpf(program, view), leaves ? 0 : kSnapLength);
    EXPECT_EQ(test::run_bpf(watched_elsewhere, view), kSnapLength);
    if (GetParam() == Access::link_layer) continue;  // sees loopback alone
    view.interface = kLoopback + 1;
    EXPECT_EQ(test::run_bpf(program, view), kSnapLength);
  }
}

TEST_P(CaptureProgramLayerTest, NarrowedFilterLetsThroughWhatBothWant) {
  CaptureFilter filter;
  filter.icmp = true;
  const End other4{kB4.address, 81}, other6{kB6.address, 81};
  struct Narrowing {
    const char* expression;
    PacketBuilder packet;
    bool passes;
  };
  const Narrowing narrowings[] = {
      {"port 80", segment(kA4, kB4, bit::syn), true},
      {"port 80", segment(kB4, kA4, bit::rst), true},
      {"port 80", segment(kA6, kB6, bit::syn), true},
      {"port 80", segment(kA4, other4, bit::syn), false},
      {"port 80", segment(kA6, other6, bit::syn), false},
      {"port 80", segment(kA4, kB4, bit::ack).data(1), false},
      {"port 80 or port 81", segment(kA4, other4, bit::syn), true},
      {"port 80 or udp", test::udp(kA4, kB4), false},
      {"not port 80", segment(kA4, kB4, bit::syn), false},
      {"host 192.0.2.1", segment(kA4, kB4, bit::syn), true},
      {"host 192.0.2.1", icmp(false, 3, 1), true},
      {"ip6", segment(kA4, kB4, bit::syn), false},
      {"ip6 net 2001:db8:1::/48", segment(kA6, kB6, bit::syn), true},
  };
  for (const Narrowing& n : narrowings) {
    filter.narrowed_by = n.expression;
    const auto program = capture_program(filter, GetParam(), 0);
    for (const KernelPacket& view : shown(n.packet, GetParam())) {
      EXPECT_EQ(test::run_bpf(program, view) != 0, n.passes) << n.expression;
    }
  }
}

TEST_P(CaptureProgramLayerTest, WrongExpressionIsRefusedWithLibpcapsWords) {
  CaptureFilter filter;
  for (const char* wrong :
       {"1) or (2", "port 80) or (udp", "foo bar", "port", "port 80 and", "tcp[", "(", ")"}) {
    filter.narrowed_by = wrong;
    try {
      static_cast<void>(capture_program(filter, GetParam(), 0));
      ADD_FAILURE() << wrong << " was accepted";
    } catch (const FilterSyntaxError& e) {
      EXPECT_STRNE(e.what(), "") << wrong;
    }
  }
}

TEST_P(CaptureProgramLayerTest, ExpressionTooLongForTheKernelIsRefused) {
  CaptureFilter filter;
  filter.narrowed_by = "ip6 host 2001:db8::";
  for (int i = 1; i < 250; ++i) filter.narrowed_by += " or ip6 host 2001:db8::" + std::to_string(i);
  EXPECT_THROW(static_cast<void>(capture_program(filter, GetParam(), 0)), FilterSyntaxError);
}

TEST(CaptureProgramTest, RejectAllRejectsAll) {
  for (const KernelPacket& view : shown(segment(kA4, kB4, bit::syn), Access::link_layer)) {
    EXPECT_EQ(test::run_bpf(reject_all(), view), 0U);
  }
}

}  // namespace
}  // namespace tcpeek::ring
