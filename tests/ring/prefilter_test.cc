// The prefilter against the capture filter, in the kernel itself: whatever the one rejects the other
// rejects, whatever it accepts that is no plain ACK is accepted, and an ACK if its flow is marked.
// Skipped where the kernel lets nobody load programs, or not us.
#include "ring/prefilter.h"

#include <gtest/gtest.h>
#include <linux/if_packet.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ring/capture_program.h"
#include "tests/support/ends.h"
#include "tests/support/flow_reading.h"
#include "tests/support/kernel_program.h"
#include "tests/support/kernel_view.h"
#include "tests/support/seeds.h"
#include "tests/support/tunnel_headers.h"

namespace tcpeek::ring {
namespace {

using test::End;
using test::FlowReading;
using test::icmp_error;
using test::KernelPacket;
using test::kQinQ;
using test::kVlan;
using test::PacketBuilder;
using test::segment;
using test::Way;
namespace bit = test::tcp_bit;

const SteeringKey kKey = SteeringKey::from({0x12345678, 0x9e3779b1, 0x85ebca6b, 0xc2b2ae35});
constexpr std::chrono::seconds kLifetime{60};
const End kA4{"192.0.2.1", 40000}, kB4{"198.51.100.2", 80};
const End kA6{"2001:db8::1", 40000}, kB6{"2001:db8:1::2", 80};

CaptureFilter with_icmp(bool icmp) {
  CaptureFilter filter;
  filter.icmp = icmp;
  return filter;
}

// Of its flow's mark.
std::uint32_t index_of(const test::FoundFlow& flow) {
  return Marks::index_of(steering_hash(kKey, {flow.source, flow.source_port},
                                       {flow.destination, flow.destination_port}));
}

std::uint32_t epoch_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  const auto ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
                  static_cast<std::uint64_t>(now.tv_nsec);
  return static_cast<std::uint32_t>(ns >> Marks::kEpochBits);
}

class PrefilterTest : public testing::TestWithParam<Access> {
 protected:
  void SetUp() override {
    try {
      prefilter_.emplace(with_icmp(false), kKey, kLifetime);
      prefilter_->load(GetParam(), 0);
    } catch (const PrefilterRefused& refused) {
      const char* required = std::getenv("TCPEEK_REQUIRE_LIVE");
      if (required != nullptr && std::string(required) == "1") FAIL() << refused.what();
      // A verifier that was asked must be content.
      ASSERT_EQ(refused.log(), "") << refused.what();
      GTEST_SKIP() << refused.what();
    }
    marks_.emplace(prefilter_->marks());
  }

  std::vector<KernelPacket> shown(const PacketBuilder& packet) const {
    std::vector<KernelPacket> views;
    for (int tags = 0; tags <= 3; ++tags) {
      auto tagged = packet;
      for (int i = 0; i < tags; ++i) tagged.vlan(i == 0 && tags > 1 ? kQinQ : kVlan, 5);
      KernelPacket view = test::all_in_bytes(tagged.parts());
      if (GetParam() == Access::network_layer) view.data_at = view.network_at;
      views.push_back(view);
    }
    return views;
  }
  std::uint32_t run(const KernelPacket& packet) const {
    return test::run_in_kernel(prefilter_->descriptor(GetParam(), 0), GetParam(), packet);
  }
  std::uint32_t run_plain(const PacketBuilder& packet) const { return run(shown(packet).front()); }

  // Runs it, and holds all that has to be true then.
  void check(const KernelPacket& packet, std::span<const sock_filter> classic) {
    const std::uint32_t wanted = test::run_bpf(classic, packet);
    const auto found = FlowReading(packet, GetParam()).found();
    const bool plain_ack = found && (found->flags & 7) == 0;
    const MappedMarks& marks = *marks_;
    const bool marked = marks[Marks::kAll] != 0 || (found && marks[index_of(*found)] != 0);
    const std::uint32_t got = run(packet);
    ASSERT_EQ(got, wanted != 0 && (!plain_ack || marked) ? kSnapLength : 0)
        << "classic " << wanted << ", found " << found.has_value() << ", marked " << marked;
    if (wanted != 0 && found && (found->flags & bit::syn) != 0) {
      ASSERT_NE(marks[index_of(*found)], 0);
    }
    if (wanted != 0 && !found && !is_no_segment(packet)) {
      ASSERT_NE(marks[Marks::kAll], 0)
          << "a SYN may be hidden in it: " << testing::PrintToString(packet.bytes);
    }
    marks[Marks::kAll] = 0;
  }

  [[nodiscard]] bool is_no_segment(const KernelPacket& packet) const {
    return (packet.bytes.at(0) & std::byte{1}) == std::byte{1};  // as it was built
  }

  using MappedMarks = test::MappedMarks;
  std::optional<Prefilter> prefilter_;
  std::optional<MappedMarks> marks_;
};

INSTANTIATE_TEST_SUITE_P(Layers, PrefilterTest,
                         testing::Values(Access::link_layer, Access::network_layer),
                         [](const auto& access) {
                           return access.param == Access::link_layer ? "Link" : "Network";
                         });

TEST_P(PrefilterTest, AnAckPassesOnceItsFlowSentASynEitherWay) {
  for (const auto& [a, b] : {std::pair{kA4, kB4}, {kA6, kB6}}) {
    for (const std::uint8_t opening : {bit::syn, std::uint8_t{bit::syn | bit::ack}}) {
      marks_->clear();
      const auto ack = segment(a, b, bit::ack);
      const auto back = segment(b, a, bit::ack);
      EXPECT_EQ(run_plain(ack), 0U);
      EXPECT_EQ(run_plain(segment(a, b, opening).data(opening == bit::syn ? 9 : 0)), kSnapLength);
      EXPECT_EQ(run_plain(ack), kSnapLength);
      EXPECT_EQ(run_plain(back), kSnapLength);
      EXPECT_EQ(run_plain(segment(a, b, bit::ack).data(1)), 0U);
      EXPECT_EQ(run_plain(segment(b, a, bit::psh | bit::ack).data(1000)), 0U);
      const End other{a.address, 40001};
      EXPECT_EQ(run_plain(segment(other, b, bit::ack)), 0U);
    }
  }
}

TEST_P(PrefilterTest, RstAndFinPassUnmarkedAndMarkNothing) {
  for (const std::uint8_t flags : {bit::rst, bit::fin, std::uint8_t{bit::fin | bit::ack}}) {
    EXPECT_EQ(run_plain(segment(kA4, kB4, flags).data(5)), kSnapLength);
    EXPECT_EQ(run_plain(segment(kA6, kB6, flags).data(5)), kSnapLength);
  }
  EXPECT_EQ(run_plain(segment(kA4, kB4, bit::ack)), 0U);
  EXPECT_EQ(run_plain(segment(kA6, kB6, bit::ack)), 0U);
}

TEST_P(PrefilterTest, MarksAge) {
  const auto ack = segment(kA4, kB4, bit::ack);
  const auto found = FlowReading(shown(ack).front(), GetParam()).found();
  ASSERT_TRUE(found);
  const std::uint32_t lifetime = Marks::epochs_of(kLifetime);
  EXPECT_GE((lifetime - 1) * (std::uint64_t{1} << Marks::kEpochBits), 60'000'000'000U);
  for (const std::uint32_t index : {index_of(*found), Marks::kAll}) {
    for (const std::uint32_t age : {0U, 1U, lifetime - 1, lifetime + 1, lifetime + 2, 0x8000U}) {
      marks_->clear();
      const auto mark = static_cast<Marks::Mark>(epoch_now() - age);
      if (mark == 0) continue;
      (*marks_)[index] = mark;
      EXPECT_EQ(run_plain(ack) != 0, age < lifetime) << age;
    }
  }
}

TEST_P(PrefilterTest, ASynRenewsItsMark) {
  const auto syn = segment(kA4, kB4, bit::syn);
  const auto found = FlowReading(shown(syn).front(), GetParam()).found();
  ASSERT_TRUE(found);
  (*marks_)[index_of(*found)] = static_cast<Marks::Mark>(epoch_now() - 1000);
  EXPECT_EQ(run_plain(syn), kSnapLength);
  EXPECT_LE(static_cast<Marks::Mark>(epoch_now() - (*marks_)[index_of(*found)]), 1);
}

// fn(epoch), and again where that epoch ended meanwhile.
template <class Fn>
void within_an_epoch(Fn&& fn) {
  for (int i = 0; i < 10; ++i) {
    const std::uint32_t epoch = epoch_now();
    fn(static_cast<Marks::Mark>(epoch));
    if (testing::Test::HasFatalFailure() || epoch == epoch_now()) return;
  }
  FAIL() << "no epoch lasted long enough";
}

TEST_P(PrefilterTest, AFloodLetsAllAcksPassInsteadOfMarking) {
  const auto mark_of = [&](const PacketBuilder& packet) -> Marks::Mark& {
    return (*marks_)[index_of(*FlowReading(shown(packet).front(), GetParam()).found())];
  };
  for (const auto& ends : {std::pair{kA4, kB4}, {kA6, kB6}}) {
    const End& a = ends.first;
    const End& b = ends.second;
    const auto last = segment(a, b, bit::syn);
    const auto next = segment({a.address, 40001}, b, bit::syn | bit::ack);
    const auto stranger = segment({a.address, 40002}, b, bit::ack);
    Marks::Mark made_in = 0, all = 0, of_last = 0, of_next = 0;
    std::uint32_t few = 0, many = 0;
    within_an_epoch([&](Marks::Mark now) {
      marks_->clear();
      (*marks_)[Marks::kMadeIn] = made_in = now;
      marks_->word(Marks::kMade) = Marks::kMostEachEpoch - 2;
      EXPECT_EQ(run_plain(segment({a.address, 40003}, b, bit::syn)), kSnapLength);
      few = run_plain(stranger);
      EXPECT_EQ(run_plain(last), kSnapLength);
      EXPECT_EQ(run_plain(next), kSnapLength);
      many = run_plain(stranger);
      all = (*marks_)[Marks::kAll];
      of_last = mark_of(last);
      of_next = mark_of(next);
    });
    EXPECT_EQ(few, 0U);
    EXPECT_EQ(of_last, made_in);
    EXPECT_EQ(all, made_in);
    EXPECT_EQ(of_next, 0) << "none was needed";
    EXPECT_EQ(many, kSnapLength);
    EXPECT_EQ(run_plain(segment({a.address, 40001}, b, bit::ack)), kSnapLength);
    EXPECT_EQ(run_plain(segment(a, b, bit::ack).data(1)), 0U);
  }
}

// The mark of all may end before an attempt does that began later: that one needs its own.
TEST_P(PrefilterTest, AMarkOfAllFromAnEarlierEpochIsNotEnoughForASyn) {
  const auto syn = segment(kA4, kB4, bit::syn);
  const auto found = FlowReading(shown(syn).front(), GetParam()).found();
  ASSERT_TRUE(found);
  for (const std::uint32_t age : {1U, 2U, Marks::epochs_of(kLifetime)}) {
    marks_->clear();
    (*marks_)[Marks::kAll] = static_cast<Marks::Mark>(epoch_now() - age);
    EXPECT_EQ(run_plain(syn), kSnapLength);
    EXPECT_LE(static_cast<Marks::Mark>(epoch_now() - (*marks_)[index_of(*found)]), 1) << age;
  }
}

TEST_P(PrefilterTest, MarksAreCountedByTheEpoch) {
  std::uint32_t counted = 0;
  Marks::Mark all = 1;
  within_an_epoch([&](Marks::Mark now) {
    marks_->clear();
    (*marks_)[Marks::kMadeIn] = static_cast<Marks::Mark>(now - 1);
    marks_->word(Marks::kMade) = Marks::kMostEachEpoch + 5;
    EXPECT_EQ(run_plain(segment(kA4, kB4, bit::syn)), kSnapLength);
    EXPECT_EQ(run_plain(segment(kA4, kB4, bit::ack)), kSnapLength);
    EXPECT_EQ(run_plain(segment(kA6, kB6, bit::syn | bit::ack)), kSnapLength);
    counted = marks_->word(Marks::kMade);
    all = (*marks_)[Marks::kAll];
  });
  EXPECT_EQ(counted, 2U);
  EXPECT_EQ(all, 0);
}

// Where a SYN may hide, its ACK may come in the open.
TEST_P(PrefilterTest, WhatHidesASynLetsAllAcksPass) {
  const auto syn4 = segment(kA4, kB4, bit::syn);
  const auto syn6 = segment(kA6, kB6, bit::syn);
  for (const auto& hidden :
       {PacketBuilder(syn4).extension(51, 24), PacketBuilder(syn4).fragment(0, true),
        PacketBuilder(syn6).extension(0), PacketBuilder(syn6).extension(60),
        PacketBuilder(syn6).fragment_header(0, true),
        PacketBuilder(syn6).extension(0).extension(60), PacketBuilder(syn6).extension(140),
        PacketBuilder(syn6).extension(0).fragment_header(0, true)}) {
    marks_->clear();
    EXPECT_EQ(run_plain(segment(kB4, kA4, bit::ack)), 0U);
    EXPECT_EQ(run_plain(hidden), kSnapLength);
    EXPECT_EQ(run_plain(segment(kB4, kA4, bit::ack)), kSnapLength);
    EXPECT_EQ(run_plain(segment(kB6, kA6, bit::ack)), kSnapLength);
    EXPECT_EQ(run_plain(segment(kB6, kA6, bit::ack).data(9)), 0U);
  }
}

TEST_P(PrefilterTest, IcmpErrorsLetNoAcksPass) {
  prefilter_.emplace(with_icmp(true), kKey, kLifetime);
  prefilter_->load(GetParam(), 0);
  marks_.emplace(prefilter_->marks());
  for (const auto& error : {icmp_error(kB4, kA4, 3, 1, segment(kA4, kB4, bit::syn)),
                            icmp_error(kB6, kA6, 1, 0, segment(kA6, kB6, bit::syn)),
                            icmp_error(kB6, kA6, 1, 0, segment(kA6, kB6, bit::syn)).extension(0)}) {
    EXPECT_EQ(run_plain(error), kSnapLength);
    EXPECT_EQ(run_plain(segment(kA4, kB4, bit::ack)), 0U);
  }
}

// They are captured for a warning alone, with all that is inside.
TEST_P(PrefilterTest, SynsInTunnelsLetNoAcksPass) {
  const std::array outers{PacketBuilder().ethernet().ip("203.0.113.1", "203.0.113.2"),
                          PacketBuilder().ethernet().ip("2001:db8:f::1", "2001:db8:f::2")};
  for (const auto& inner : {segment(kA4, kB4, bit::syn), segment(kA6, kB6, bit::syn)}) {
    for (const auto& outer : outers) {
      for (const auto& [name, tunnel] : test::every_tunnel(inner)) {
        if (name.starts_with("vxlan-gpe") || name == "erspan III of IP") continue;  // not captured
        EXPECT_EQ(run_plain(test::carried(outer, tunnel)), kSnapLength) << name;
        EXPECT_EQ(run_plain(segment(kB4, kA4, bit::ack)), 0U) << name;
        EXPECT_EQ(run_plain(segment(kB6, kA6, bit::ack)), 0U) << name;
      }
    }
  }
}

// As Linux sends its tunnels through IPv6: behind destination options that say how deep tunnels may be.
TEST_P(PrefilterTest, TunnelsBehindExtensionHeadersLetNoAcksPass) {
  const PacketBuilder outer =
      PacketBuilder().ethernet().ip("2001:db8:f::1", "2001:db8:f::2").extension(60);
  const PacketBuilder inner = segment(kA4, kB4, bit::syn);
  for (const auto& tunnel : {test::ip_in_ip(inner), test::gre(0x0800, inner.network())}) {
    EXPECT_EQ(run_plain(test::carried(outer, tunnel)), kSnapLength);
    EXPECT_EQ(run_plain(segment(kB4, kA4, bit::ack)), 0U);
  }
}

TEST_P(PrefilterTest, IsTheCaptureFilterButForAcksOfUnmarkedFlows) {
  for (const bool icmp : {false, true}) {
    prefilter_.emplace(with_icmp(icmp), kKey, kLifetime);
    prefilter_->load(GetParam(), 0);
    marks_.emplace(prefilter_->marks());
    const auto classic = capture_program(with_icmp(icmp), GetParam(), 0);
    test::for_each_seed(4000, [&](std::uint64_t seed) {
      std::mt19937_64 random(seed);
      const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
      const bool v6 = below(2) == 0;
      End a = v6 ? kA6 : kA4, b = v6 ? kB6 : kB4;
      a.port = static_cast<std::uint16_t>(below(64));
      b.port = static_cast<std::uint16_t>(below(4));
      if (below(2) == 0) std::swap(a, b);
      const bool error = below(10) == 0;
      constexpr std::array<std::uint8_t, 6> kFlags{
          bit::ack, bit::ack, bit::syn, bit::syn | bit::ack, bit::fin | bit::ack, bit::rst};
      const auto flags = below(4) == 0 ? below(256) : kFlags.at(below(kFlags.size()));
      auto packet = segment(a, b, static_cast<std::uint8_t>(flags));
      packet.tcp_options(4 * below(11)).data(below(4) == 0 ? below(40) : 0).padding(below(20));
      if (error) packet = icmp_error(b, a, static_cast<std::uint8_t>(below(13)), 1, packet);
      const std::size_t length = packet.network().size();
      if (below(8) == 0) packet.data_offset(static_cast<std::uint8_t>(below(16)));
      if (below(8) == 0) packet.keep(below(40));
      if (below(8) == 0) packet.ip_length(below(static_cast<unsigned>(length) + 8));
      if (below(8) == 0) packet.fragment(below(3), below(2) == 0);
      if (below(8) == 0 && !v6) packet.ip_options(4 * below(11));
      std::optional<unsigned> extension;
      if (below(8) == 0 && v6) extension = below(3) * 30;
      if (extension) packet.extension(static_cast<std::uint8_t>(*extension));
      const bool no_segment = error || extension == 30;  // a header that nobody steps over
      for (KernelPacket view : shown(packet)) {
        if (below(30) == 0) view.bytes.resize(14 + 40 + below(50));
        // Said in a byte that nobody reads: the first of the link header.
        if (no_segment) view.bytes.at(0) |= std::byte{1};
        check(view, classic);
      }
    });
  }
}

TEST(PrefilterLoadTest, WhatTheVerifierRefusesIsToldInOneLine) {
  EbpfCode code;
  code.load(Width::word, Reg::r0, Reg::r9, 0);  // never written
  code.exit();
  try {
    static_cast<void>(load_socket_filter(code.finish()));
    FAIL() << "the kernel took it";
  } catch (const PrefilterRefused& refused) {
    const std::string told = refused.what();
    EXPECT_EQ(told.find('\n'), std::string::npos) << told;
    if (refused.log().empty()) GTEST_SKIP() << told;
    EXPECT_NE(told.find("R9"), std::string::npos) << told;
  }
}

TEST(PrefilterProgramTest, OnlyForTheFilterItKnows) {
  EXPECT_EQ(prefilter_conflict({}), PrefilterConflict::none);
  CaptureFilter tcp, narrowed, tunnelled;
  tcp.scope = CaptureScope::tcp;
  narrowed.narrowed_by = "port 80";
  tunnelled.tunnels.vxlan = true;
  EXPECT_EQ(prefilter_conflict(tcp), PrefilterConflict::every_segment);
  EXPECT_EQ(prefilter_conflict(narrowed), PrefilterConflict::expression);
  EXPECT_EQ(prefilter_conflict(tunnelled), PrefilterConflict::tunnels);
  for (const CaptureFilter& other : {tcp, narrowed, tunnelled}) {
    PrefilterProgram wanted;
    wanted.filter = other;
    EXPECT_THROW(static_cast<void>(prefilter_program(wanted)), std::logic_error);
  }
}

}  // namespace
}  // namespace tcpeek::ring
