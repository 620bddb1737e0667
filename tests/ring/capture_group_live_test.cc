// The sockets of one interface as a group: complete before the first packet, each packet at one
// member, groups apart from each other, loopback and `any` each packet once.
#include "ring/capture_group.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>

#include "ring/capture_program.h"
#include "ring/steering.h"
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

using Group = std::vector<PacketSocket>;

PacketBuilder syn(std::uint32_t number) {
  const End a{"192.0.2.1", static_cast<std::uint16_t>(number)};
  const End b{"198.51.100.2", 80};
  return segment(a, b, bit::syn).seq(number);
}

// Everything to the first member.
constexpr std::array<sock_filter, 1> kAllToTheFirst = {{{BPF_RET | BPF_K, 0, 0, 0}}};

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class CaptureGroupLiveTest : public test::LiveTest {
 protected:
  static Group open(const CaptureTarget& target, unsigned readers,
                    std::span<const sock_filter> filter = test::kAcceptAll,
                    bool promiscuous = false) {
    const auto steering = steering_program(SteeringKey::from({1, 22222222, 33333333, 44444444}));
    return open_capture_group(target, readers,
                              {.geometry = ring_geometry(16),
                               .promiscuous = promiscuous,
                               .filter = filter,
                               .steering = steering});
  }
  static CaptureTarget on(const std::string& name) {
    return {name, test::index_of(name), Access::link_layer};
  }
  static CaptureTarget any() { return {"any", 0, Access::network_layer}; }

  static void send(const std::string& interface, std::uint32_t count) {
    const test::FrameSender sender(interface);
    for (std::uint32_t i = 0; i < count; ++i) sender.send(syn(i).build());
  }

  // What all members get until there are `count` packets.
  static std::vector<test::Received> receive(Group& group, std::size_t count) {
    std::vector<test::Received> result;
    static_cast<void>(test::eventually([&] {
      for (PacketSocket& member : group) {
        std::ranges::move(test::drain(member), std::back_inserter(result));
      }
      return result.size() >= count;
    }));
    return result;
  }
  static std::uint64_t seen(Group& group) {
    std::uint64_t sum = 0;
    for (PacketSocket& member : group) sum += member.statistics().seen;
    return sum;
  }

  // A connection attempt to a port of this host where nobody listens: SYN, RST.
  static void knock_at_loopback() {
    const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_NE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    ASSERT_EQ(errno, ECONNREFUSED);
  }
};

TEST_F(CaptureGroupLiveTest, EachPacketReachesOneMemberWholeAndOnce) {
  for (const unsigned readers : {1U, 2U, 4U}) {
    Group group = open(on("tp0"), readers);
    ASSERT_EQ(group.size(), readers);
    send("tp1", 300);
    send("tp0", 300);
    const auto packets = receive(group, 600);
    EXPECT_EQ(packets.size(), 600U) << readers << " readers";
    std::set<std::pair<std::vector<std::byte>, std::uint8_t>> distinct;
    for (const auto& p : packets) distinct.emplace(p.bytes, p.packet_type);
    EXPECT_EQ(distinct.size(), 600U);
    EXPECT_EQ(seen(group), 600U);
    for (PacketSocket& member : group) EXPECT_GT(member.statistics().seen, 0U);
  }
}

// Sockets of a deleted interface: only those in no group begin again, with the ring they have.
TEST_F(CaptureGroupLiveTest, SocketsThatLostTheirInterface) {
  const CaptureGroupConfig config{.geometry = ring_geometry(1),
                                  .promiscuous = false,
                                  .filter = test::kAcceptAll,
                                  .steering = kAllToTheFirst};
  Group alone = open_sockets(on("tp0"), 1);
  EXPECT_EQ(bound_interface(alone.front().descriptor()), 0U) << "not yet bound";
  start_capture(alone, on("tp0"), config);
  Group group = open_capture_group(on("tp0"), 2, config);
  EXPECT_EQ(bound_interface(alone.front().descriptor()), test::index_of("tp0"));
  EXPECT_EQ(bound_interface(group.back().descriptor()), test::index_of("tp0"));
  send("tp1", 3);
  EXPECT_EQ(receive(alone, 3).size(), 3U);

  static_cast<void>(ip("link del tp0"));
  EXPECT_EQ(bound_interface(alone.front().descriptor()), 0U);
  EXPECT_EQ(bound_interface(group.back().descriptor()), 0U);
  make_pair();

  EXPECT_FALSE(alone.front().grouped());
  start_capture(alone, on("tp0"), config);
  send("tp1", 5);
  EXPECT_EQ(receive(alone, 5).size(), 5U);
  EXPECT_EQ(alone.front().take_statistics().seen, 8U);
  EXPECT_EQ(alone.front().statistics().seen, 0U);

  EXPECT_TRUE(group.front().grouped());
  EXPECT_THROW(start_capture(group, on("tp0"), config), std::system_error);
}

// What is in a group can never begin again, so all that may fail comes before.
TEST_F(CaptureGroupLiveTest, SocketsThatCannotCaptureAreInNoGroup) {
  Group group = open_sockets(on("tp0"), 3);
  const PacketSocket taken = std::move(group.back());
  EXPECT_THROW(start_capture(group, on("tp0"),
                             {.geometry = ring_geometry(1),
                              .promiscuous = false,
                              .filter = test::kAcceptAll,
                              .steering = kAllToTheFirst}),
               std::system_error);
  for (const PacketSocket& member : group) EXPECT_FALSE(member.grouped());
}

TEST_F(CaptureGroupLiveTest, NoReadersNoSockets) {
  EXPECT_TRUE(open(on("tp0"), 0).empty());
}

TEST_F(CaptureGroupLiveTest, GroupsOnOneInterfaceDoNotShareTheirPackets) {
  Group one = open(on("tp0"), 3);
  Group other = open(on("tp0"), 2);
  send("tp1", 100);
  EXPECT_EQ(receive(one, 100).size(), 100U);
  EXPECT_EQ(receive(other, 100).size(), 100U);
}

TEST_F(CaptureGroupLiveTest, GroupsOnTwoInterfacesSeeEachTheirOwn) {
  Group zero = open(on("tp0"), 2);
  Group one = open(on("tp1"), 2);
  send("tp1", 50);
  for (const auto& [group, name] : {std::pair{&zero, "tp0"}, {&one, "tp1"}}) {
    const auto packets = receive(*group, 50);
    EXPECT_EQ(packets.size(), 50U);
    for (const auto& p : packets) EXPECT_EQ(p.interface, test::index_of(name));
  }
}

TEST_F(CaptureGroupLiveTest, FilterOfAllMembersIsTheOneAskedFor) {
  const auto filter = capture_program({}, Access::link_layer, 0);
  Group group = open(on("tp0"), 4, filter);
  const test::FrameSender outside("tp1");
  for (std::uint32_t i = 0; i < 64; ++i) {
    outside.send(syn(i).flags(bit::ack).data(10).build());
    outside.send(syn(i).build());
  }
  EXPECT_EQ(receive(group, 64).size(), 64U);
  EXPECT_EQ(seen(group), 64U);

  for (PacketSocket& member : group) member.set_filter(reject_all());
  send("tp1", 64);
  for (PacketSocket& member : group) member.set_filter(filter);
  send("tp1", 10);
  EXPECT_EQ(receive(group, 10).size(), 10U);
  EXPECT_EQ(seen(group), 74U);
}

TEST_F(CaptureGroupLiveTest, PromiscuousOnlyIfAskedForAndWhereItCanBe) {
  const auto promiscuity = [](unsigned n) {
    return ip("-d link show tp0").find("promiscuity " + std::to_string(n)) != std::string::npos;
  };
  {
    const Group group = open(on("tp0"), 4);
    EXPECT_TRUE(promiscuity(0));
  }
  {
    const Group group = open(on("tp0"), 4, test::kAcceptAll, true);
    EXPECT_FALSE(promiscuity(0));
    const Group every = open(any(), 2, test::kAcceptAll, true);
  }
  EXPECT_TRUE(promiscuity(0));
}

TEST_F(CaptureGroupLiveTest, AnySeesEveryInterfaceAndTellsThemApart) {
  Group group = open(any(), 3);
  send("tp0", 40);
  const auto packets = receive(group, 80);
  ASSERT_EQ(packets.size(), 80U);
  std::size_t left = 0, arrived = 0;
  for (const auto& p : packets) {
    left += p.interface == test::index_of("tp0") && p.packet_type == PACKET_OUTGOING ? 1U : 0U;
    arrived += p.interface == test::index_of("tp1") && p.packet_type != PACKET_OUTGOING ? 1U : 0U;
  }
  EXPECT_EQ(left, 40U);
  EXPECT_EQ(arrived, 40U);
}

TEST_F(CaptureGroupLiveTest, LoopbackShowsEachPacketOnce) {
  test::bring_up({"lo"});
  const std::uint32_t lo = test::index_of("lo");
  for (const CaptureTarget& target : {on("lo"), any()}) {
    for (const unsigned readers : {1U, 2U}) {
      Group group = open(target, readers, capture_program({}, target.access, lo));
      knock_at_loopback();
      EXPECT_EQ(receive(group, 2).size(), 2U) << target.name;
      EXPECT_EQ(seen(group), 2U) << target.name;
    }
  }
}

TEST_F(CaptureGroupLiveTest, MissingInterfaceLeavesNothingBehind) {
  const std::size_t before = open_descriptors();
  try {
    static_cast<void>(open({"lan7", 4711, Access::link_layer}, 4));
    ADD_FAILURE() << "opened";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code().value(), ENODEV);
    EXPECT_NE(std::string(e.what()).find("lan7"), std::string::npos) << e.what();
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(CaptureGroupLiveTest, InterfaceThatIsDownIsCapturedOnceItComesUp) {
  ip("link set tp0 down");
  for (const unsigned readers : {1U, 4U}) {
    Group group;
    try {
      group = open(on("tp0"), readers);
    } catch (const std::system_error& e) {
      // Linux before 6.13: only a socket whose interface is up may join a fanout group.
      ASSERT_GT(readers, 1U) << e.what();
      GTEST_SKIP() << "this kernel refuses fanout on an interface that is down: " << e.what();
    }
    for (PacketSocket& member : group) static_cast<void>(member.take_error());
    test::bring_up({"tp0", "tp1"});
    send("tp1", 50);
    EXPECT_EQ(receive(group, 50).size(), 50U);
    ip("link set tp0 down");
  }
}

}  // namespace
}  // namespace tcpeek::ring
