// Interfaces, addresses, routes and their changes, read from the kernel of a namespace where the
// test has made them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if_arp.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "ring/links.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::ring {
namespace {

using test::index_of;
using test::ip;

class LinksLiveTest : public test::LiveTest {
 protected:
  // The addresses of an interface as text.
  static std::multiset<std::string> addresses(const std::string& interface) {
    std::multiset<std::string> result;
    for (const LinkAddress& a : read_links().addresses) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      if (a.index != index_of(interface)) continue;
      result.insert(
          ::inet_ntop(a.v4 ? AF_INET : AF_INET6, a.bytes.data(), text.data(), text.size()));
    }
    return result;
  }
  static std::optional<std::string> chosen() { return default_interface(read_links()); }

  // Many ip(8) commands by one process.
  static void batch(const std::function<void(std::ostream&)>& write) {
    const std::string path = testing::TempDir() + "tcpeek-ip-" + std::to_string(::getpid());
    std::ofstream file(path);
    write(file);
    file.close();
    ip("-batch " + path);
    std::filesystem::remove(path);
  }
};

using Texts = std::multiset<std::string>;

TEST_F(LinksLiveTest, LinksHaveTheirIndexTypeAndState) {
  ip("link set tp1 down");
  const LinkState state = read_links();
  ASSERT_GE(state.links.size(), 3U);
  for (const char* name : {"lo", "tp0", "tp1"}) {
    const Link* link = state.find(name);
    ASSERT_NE(link, nullptr) << name;
    EXPECT_EQ(link->name, name);
    EXPECT_EQ(link->index, index_of(name));
    const bool loopback = std::string(name) == "lo";
    EXPECT_EQ(link->loopback, loopback);
    EXPECT_EQ(link->hardware_type, loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER);
    EXPECT_EQ(link->up, std::string(name) == "tp0");
    EXPECT_FALSE(link->carrier) << "its other end is down, or itself";
    EXPECT_EQ(link->if_dropped, 0U);
    EXPECT_EQ(access_for(*link), Access::link_layer);
  }
  EXPECT_EQ(state.find("tp"), nullptr);
  EXPECT_EQ(state.find(""), nullptr);
}

TEST_F(LinksLiveTest, ACarrierComesFromTheOtherEnd) {
  ip("link set tp0 up");
  ip("link set tp1 up");
  ip("link set lo up");
  EXPECT_TRUE(read_links().find("tp0")->carrier);
  EXPECT_TRUE(read_links().find("lo")->carrier);
  ip("link set tp1 down");
  EXPECT_TRUE(read_links().find("tp0")->up);
  EXPECT_FALSE(read_links().find("tp0")->carrier);
}

TEST_F(LinksLiveTest, AddressesOfBothFamiliesAreReadWhole) {
  EXPECT_EQ(addresses("tp0"), Texts{});
  ip("addr add 192.0.2.9/24 dev tp0");
  ip("addr add 192.0.2.10/24 dev tp0");
  ip("addr add 10.255.0.1/8 dev tp0");
  ip("addr add 2001:db8::9/64 dev tp0 nodad");
  ip("addr add fe80::1/64 dev tp0 nodad");
  ip("addr add 203.0.113.5/32 dev tp1");
  EXPECT_EQ(addresses("tp0"),
            (Texts{"192.0.2.9", "192.0.2.10", "10.255.0.1", "2001:db8::9", "fe80::1"}));
  EXPECT_EQ(addresses("tp1"), Texts{"203.0.113.5"});
  ip("addr del 192.0.2.10/24 dev tp0");
  EXPECT_EQ(addresses("tp0").count("192.0.2.10"), 0U);
}

TEST_F(LinksLiveTest, AddressOfAPointToPointLinkIsOursNotThePeers) {
  ip("addr add 192.0.2.1 peer 192.0.2.2 dev tp0");
  ip("addr add 2001:db8::1 peer 2001:db8::2 dev tp0 nodad");
  EXPECT_EQ(addresses("tp0"), (Texts{"192.0.2.1", "2001:db8::1"}));
}

TEST_F(LinksLiveTest, MoreThanOneBufferIsRead) {
  constexpr unsigned kAddresses = 2000;
  constexpr unsigned kLinks = 60;
  batch([](std::ostream& out) {
    for (unsigned i = 0; i < kAddresses; ++i) {
      out << "addr add 10.5." << i / 256 << '.' << i % 256 << "/32 dev tp0\n";
    }
    for (unsigned i = 0; i < kLinks; ++i) {
      out << "link add more" << i << " type veth peer name less" << i << '\n';
    }
  });
  EXPECT_EQ(addresses("tp0").size(), kAddresses);
  const LinkState state = read_links();
  for (unsigned i = 0; i < kLinks; ++i) {
    EXPECT_NE(state.find("more" + std::to_string(i)), nullptr);
    EXPECT_NE(state.find("less" + std::to_string(i)), nullptr);
  }
}

TEST_F(LinksLiveTest, ReadingWhileEverythingChangesDoesNotFail) {
  constexpr unsigned kStanding = 1500;
  batch([](std::ostream& out) {
    for (unsigned i = 0; i < kStanding; ++i) {
      out << "addr add 10.5." << i / 256 << '.' << i % 256 << "/32 dev tp0\n";
    }
  });
  std::atomic<bool> done = false;
  std::jthread changes([&] {
    batch([](std::ostream& out) {
      for (unsigned i = 0; i < 3000; ++i) {
        out << "addr add 10.6.0.1/32 dev tp1\naddr del 10.6.0.1/32 dev tp1\n";
      }
    });
    done = true;
  });
  int reads = 0;
  while (!done && !HasFailure()) {
    ++reads;
    try {
      const auto found = addresses("tp0");
      EXPECT_EQ(found.size(), kStanding) << "read " << reads;
    } catch (const std::system_error& e) {
      ADD_FAILURE() << "read " << reads << ": " << e.what();
    }
  }
  EXPECT_GT(reads, 1);
}

TEST_F(LinksLiveTest, DefaultInterfaceIsThatOfTheRouteWithTheLowestMetric) {
  ip("route add default dev tp0 metric 200");
  EXPECT_EQ(chosen(), "tp0");
  ip("route add default dev tp1 metric 100");
  EXPECT_EQ(chosen(), "tp1");
  ip("route add default dev tp0 metric 50");
  EXPECT_EQ(chosen(), "tp0");
  ip("route del default dev tp0 metric 50");
  ip("route add default dev tp0");
  EXPECT_EQ(chosen(), "tp0") << "no metric is the lowest";
}

TEST_F(LinksLiveTest, Ipv4RouteGoesBeforeIpv6AndIpv6BeforeNone) {
  for (const auto& [v6, v4] : {std::pair{"tp0", "tp1"}, {"tp1", "tp0"}}) {
    ip(std::string("-6 route add default dev ") + v6 + " metric 10");
    EXPECT_EQ(chosen(), v6);
    ip(std::string("route add default dev ") + v4 + " metric 999");
    EXPECT_EQ(chosen(), v4);
    ip("route del default");
    ip("-6 route del default");
  }
}

TEST_F(LinksLiveTest, RoutesThatAreNoDefaultOfOursDoNotCount) {
  const auto without = chosen();
  ASSERT_TRUE(without);
  const std::string other = *without == "tp0" ? "tp1" : "tp0";
  ip("route add 10.0.0.0/8 dev " + other);
  ip("route add 0.0.0.0/1 dev " + other);
  ip("route add default dev " + other + " table 77");
  ip("route add unreachable default metric 5");
  ip("-6 route add unreachable default metric 5");
  ip("-6 route add 2000::/3 dev " + other);
  EXPECT_EQ(chosen(), without);
}

TEST_F(LinksLiveTest, DefaultRouteOverSeveralInterfacesChoosesOneOfThem) {
  for (const char* name : {"tp0", "tp1"}) {
    ip("link add spare0 type veth peer name spare1");
    test::bring_up({"spare0", "spare1"});
    ip("route add default nexthop dev " + std::string(name) + " weight 1 nexthop dev spare0");
    const auto found = chosen();
    EXPECT_TRUE(found == name || found == "spare0") << *found;
    ip("link del spare0");
  }
}

TEST_F(LinksLiveTest, WithoutARouteTheFirstThatIsUpAndNotLoopback) {
  test::bring_up({"lo"});
  const auto first = chosen();
  ASSERT_TRUE(first);
  EXPECT_NE(*first, "lo");
  ip("link set " + *first + " down");
  const auto second = chosen();
  ASSERT_TRUE(second);
  EXPECT_NE(*second, *first);
  EXPECT_NE(*second, "lo");
  ip("link set " + *second + " down");
  EXPECT_EQ(chosen(), std::nullopt);
}

class LinkEventsLiveTest : public LinksLiveTest {
 protected:
  [[nodiscard]] static bool comes(LinkEvents& events) {
    pollfd waited{events.descriptor(), POLLIN, 0};
    return ::poll(&waited, 1, static_cast<int>(test::kPatience.count())) == 1 && events.drain();
  }
  // All there is now; false if it never ends.
  [[nodiscard]] static bool goes_quiet(LinkEvents& events) {
    return test::eventually([&] { return !events.drain(); });
  }
};

TEST_F(LinkEventsLiveTest, NothingUntilSomethingChanges) {
  LinkEvents events;
  ASSERT_TRUE(goes_quiet(events));
  pollfd waited{events.descriptor(), POLLIN, 0};
  EXPECT_EQ(::poll(&waited, 1, 0), 0);
  EXPECT_FALSE(events.drain());
}

TEST_F(LinkEventsLiveTest, EveryKindOfChangeIsTold) {
  LinkEvents events;
  for (const char* change :
       {"addr add 192.0.2.1/24 dev tp0", "addr del 192.0.2.1/24 dev tp0",
        "addr add 2001:db8::1/64 dev tp0 nodad", "addr del 2001:db8::1/64 dev tp0",
        "link set tp0 down", "link set tp0 up", "link add late type veth peer name later",
        "link set late name early", "link del early"}) {
    ASSERT_TRUE(goes_quiet(events));
    ip(change);
    EXPECT_TRUE(comes(events)) << change;
  }
}

TEST_F(LinkEventsLiveTest, MoreChangesThanTheSocketHoldsAreStillAChange) {
  LinkEvents events;
  batch([](std::ostream& out) {
    for (unsigned i = 0; i < 4000; ++i) {
      out << "addr add 10.5." << i / 256 << '.' << i % 256 << "/32 dev tp0\n";
    }
  });
  EXPECT_TRUE(comes(events));
  EXPECT_TRUE(goes_quiet(events));
  ip("addr add 192.0.2.1/24 dev tp0");
  EXPECT_TRUE(comes(events)) << "it goes on after an overflow";
}

}  // namespace
}  // namespace tcpeek::ring
