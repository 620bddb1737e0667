// One packet socket on a real device: what it shows, what it counts, and how it takes a link that
// goes away.
#include "ring/packet_socket.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <thread>

#include "ring/capture_program.h"
#include "tests/support/ends.h"
#include "tests/support/live_ring.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::ring {
namespace {

using test::End;
using test::ip;
using test::PacketBuilder;
using test::segment;
namespace bit = test::tcp_bit;

const End kA{"192.0.2.1", 40000}, kB{"198.51.100.2", 80};

PacketBuilder syn(std::uint32_t number) {
  return segment(kA, kB, bit::syn).seq(number);
}

class PacketSocketLiveTest : public test::LiveTest {
 protected:
  void SetUp() override {
    LiveTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    outside_.emplace("tp1");
  }

  static PacketSocket open(const RingGeometry& geometry, Access access = Access::link_layer,
                           std::span<const sock_filter> filter = test::kAcceptAll) {
    PacketSocket socket(access, "tp0");
    socket.set_filter(filter);
    socket.map_ring(geometry);
    socket.bind(test::index_of("tp0"));
    return socket;
  }

  void send(std::uint32_t count, std::size_t data = 0) const {
    for (std::uint32_t i = 0; i < count; ++i) outside_->send(syn(i).data(data).build());
  }

  static std::string details() { return ip("-d link show tp0"); }

  std::optional<test::FrameSender> outside_;
};

TEST_F(PacketSocketLiveTest, ShowsWhatArrivesAndWhatLeavesInOrder) {
  PacketSocket socket = open(ring_geometry(1));
  const test::FrameSender inside("tp0");
  outside_->send(syn(1).build());
  inside.send(syn(2).build());
  const auto packets = test::receive(socket, 2);
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].bytes, syn(1).build());
  EXPECT_NE(packets[0].packet_type, PACKET_OUTGOING);
  EXPECT_EQ(packets[1].bytes, syn(2).build());
  EXPECT_EQ(packets[1].packet_type, PACKET_OUTGOING);
  for (const auto& p : packets) {
    EXPECT_EQ(p.interface, test::index_of("tp0"));
    EXPECT_EQ(p.protocol, 0x0800);
  }
}

TEST_F(PacketSocketLiveTest, NetworkLayerAccessBeginsAtTheIpHeader) {
  PacketSocket socket = open(ring_geometry(1), Access::network_layer);
  const End a{"2001:db8::1", 1}, b{"2001:db8::2", 2};
  outside_->send(syn(1).build());
  outside_->send(segment(a, b, bit::syn).vlan(test::kVlan, 5).build());
  const auto packets = test::receive(socket, 2);
  ASSERT_EQ(packets.size(), 2U);
  EXPECT_EQ(packets[0].bytes, syn(1).network());
  EXPECT_EQ(packets[0].protocol, 0x0800);
  EXPECT_EQ(packets[1].bytes, segment(a, b, bit::syn).network());
  EXPECT_EQ(packets[1].protocol, 0x86dd);
}

TEST_F(PacketSocketLiveTest, TimeIsThatOfTheRealClock) {
  PacketSocket socket = open(ring_geometry(1));
  const auto now = [] { return std::chrono::system_clock::now().time_since_epoch(); };
  const std::chrono::nanoseconds before = now();
  send(1);
  const auto packets = test::receive(socket, 1);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_GE(packets[0].time_ns, before.count());
  EXPECT_LE(packets[0].time_ns, std::chrono::nanoseconds(now()).count());
}

TEST_F(PacketSocketLiveTest, FilterCutsToItsResultAndTheWireLengthStays) {
  const sock_filter cut[] = {{BPF_RET | BPF_K, 0, 0, 40}};
  PacketSocket socket = open(ring_geometry(1), Access::link_layer, cut);
  send(1, 1000);
  const auto packets = test::receive(socket, 1);
  ASSERT_EQ(packets.size(), 1U);
  EXPECT_EQ(packets[0].bytes.size(), 40U);
  EXPECT_EQ(packets[0].wire_length, syn(0).data(1000).build().size());
}

TEST_F(PacketSocketLiveTest, StatisticsAccumulateOverReads) {
  PacketSocket socket = open(ring_geometry(1));
  EXPECT_EQ(socket.statistics().seen, 0U);
  std::uint64_t sent = 0;
  for (const std::uint32_t count : {10U, 5U, 1U}) {
    send(count);
    sent += count;
    ASSERT_EQ(test::receive(socket, count).size(), count);
    EXPECT_EQ(socket.statistics().seen, sent);
    EXPECT_EQ(socket.statistics().seen, sent) << "asked again";
  }
  EXPECT_EQ(socket.statistics().dropped, 0U);
  EXPECT_EQ(socket.statistics().freezes, 0U);
}

TEST_F(PacketSocketLiveTest, RejectedPacketsAreNotSeen) {
  PacketSocket socket = open(ring_geometry(1), Access::link_layer, reject_all());
  send(20);
  socket.set_filter(test::kAcceptAll);
  send(1);
  EXPECT_EQ(test::receive(socket, 1).size(), 1U);
  EXPECT_EQ(socket.statistics().seen, 1U);
}

TEST_F(PacketSocketLiveTest, RingThatIsNotReadDropsAndCountsAndGoesOn) {
  PacketSocket socket = open(test::tiny_ring());
  std::uint64_t sent = 0;
  std::uint64_t walked = 0;
  for (int round = 1; round <= 3; ++round) {
    send(200, 500);
    sent += 200;
    const SocketStatistics full = socket.statistics();
    EXPECT_EQ(full.seen, sent);
    EXPECT_GE(full.dropped, 100U * static_cast<unsigned>(round));
    EXPECT_GE(full.freezes, static_cast<unsigned>(round));
    const std::uint64_t kept = full.seen - full.dropped - walked;
    EXPECT_GT(kept, 0U);
    EXPECT_EQ(test::receive(socket, kept).size(), kept);
    walked += kept;
    EXPECT_EQ(socket.statistics().seen, walked + socket.statistics().dropped);
  }
  const std::uint64_t dropped = socket.statistics().dropped;
  send(5);
  EXPECT_EQ(test::receive(socket, 5).size(), 5U) << "an emptied ring takes packets again";
  EXPECT_EQ(socket.statistics().dropped, dropped);
}

TEST_F(PacketSocketLiveTest, PollWakesWhenABlockIsHandedOver) {
  PacketSocket socket = open(ring_geometry(1));
  EXPECT_FALSE(test::is_readable(socket, std::chrono::milliseconds(0)));
  send(1);
  EXPECT_TRUE(test::is_readable(socket, test::kPatience));
  EXPECT_EQ(test::receive(socket, 1).size(), 1U);
  EXPECT_FALSE(test::is_readable(socket, std::chrono::milliseconds(0)));
}

TEST_F(PacketSocketLiveTest, PromiscuousLastsAsLongAsTheSocket) {
  ASSERT_NE(details().find("promiscuity 0"), std::string::npos);
  {
    PacketSocket socket = open(ring_geometry(1));
    EXPECT_NE(details().find("promiscuity 0"), std::string::npos);
    socket.set_promiscuous(test::index_of("tp0"));
    EXPECT_NE(details().find("promiscuity 1"), std::string::npos);
  }
  EXPECT_NE(details().find("promiscuity 0"), std::string::npos);
}

TEST_F(PacketSocketLiveTest, MissingInterfaceIsNamed) {
  const auto expect_named = [](auto&& call) {
    try {
      call();
      ADD_FAILURE() << "accepted";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code().value(), ENODEV);
      EXPECT_NE(std::string(e.what()).find("lan7"), std::string::npos) << e.what();
    }
  };
  PacketSocket socket(Access::link_layer, "lan7");
  socket.map_ring(ring_geometry(1));
  expect_named([&] { socket.bind(4711); });
  expect_named([&] { socket.set_promiscuous(4711); });
}

TEST_F(PacketSocketLiveTest, GeometryThatIsWrongIsRefusedBeforeTheKernelSeesIt) {
  PacketSocket socket(Access::link_layer, "tp0");
  EXPECT_THROW(socket.map_ring({4096, 4, 3000, std::chrono::milliseconds(1)}),
               std::invalid_argument);
}

TEST_F(PacketSocketLiveTest, MissingPrivilegeIsNamed) {
  // System calls made directly change one thread alone.
  std::jthread([] {
    constexpr long kNobody = 65534;
    ASSERT_EQ(::syscall(SYS_setresuid, kNobody, kNobody, kNobody), 0);
    try {
      const PacketSocket socket(Access::link_layer, "tp0");
      ADD_FAILURE() << "opened without privilege";
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code().value(), EPERM);
      EXPECT_NE(std::string(e.what()).find("tp0"), std::string::npos) << e.what();
    }
  }).join();
}

TEST_F(PacketSocketLiveTest, LinkThatGoesDownIsAnErrorTakenOnceAndTheRingGoesOn) {
  PacketSocket socket = open(ring_geometry(1));
  EXPECT_EQ(socket.take_error(), 0);
  for (int round = 0; round < 2; ++round) {
    ip("link set tp0 down");
    pollfd waited{socket.descriptor(), POLLIN, 0};
    ASSERT_EQ(::poll(&waited, 1, static_cast<int>(test::kPatience.count())), 1);
    EXPECT_NE(waited.revents & POLLERR, 0);
    EXPECT_EQ(socket.take_error(), ENETDOWN);
    EXPECT_EQ(socket.take_error(), 0);
    EXPECT_EQ(::poll(&waited, 1, 0), 0) << "the error is cleared";

    test::bring_up({"tp0", "tp1"});
    send(3);
    EXPECT_EQ(test::receive(socket, 3).size(), 3U);
  }
  EXPECT_EQ(socket.statistics().seen, 6U);
}

TEST_F(PacketSocketLiveTest, InterfaceThatIsDeletedIsAnErrorAndNoMore) {
  PacketSocket socket = open(ring_geometry(1));
  send(2);
  ip("link del tp0");
  EXPECT_TRUE(test::eventually([&] { return socket.take_error() == ENETDOWN; }));
  EXPECT_EQ(test::receive(socket, 2).size(), 2U) << "what had come is still there";
  EXPECT_EQ(socket.statistics().seen, 2U);
  EXPECT_FALSE(socket.ring().next());
}

}  // namespace
}  // namespace tcpeek::ring
