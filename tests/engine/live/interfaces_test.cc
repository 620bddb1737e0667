// Which interfaces are watched and what of them is local, from states of the kernel made by hand.
#include "engine/live/interfaces.h"

#include <gtest/gtest.h>
#include <net/if_arp.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/net_namespace.h"

namespace tcpeek::engine {
namespace {

using ipc::InterfaceState;
using Names = std::vector<std::string>;

ring::Link link(std::uint32_t index, std::string name, std::uint64_t dropped = 0) {
  ring::Link link;
  link.index = index;
  link.loopback = name == "lo";
  link.name = std::move(name);
  link.hardware_type = link.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
  link.up = link.carrier = true;
  link.if_dropped = dropped;
  return link;
}

ring::LinkAddress address(std::uint32_t index, const char* text) {
  const Address parsed = parse_address(text).value();
  ring::LinkAddress a;
  a.index = index;
  a.v4 = parsed.is_v4();
  if (a.v4) {
    std::copy_n(parsed.bytes.begin() + 12, 4, a.bytes.begin());
  } else {
    a.bytes = parsed.bytes;
  }
  return a;
}

// lo, eth0, eth1 and a tunnel without link header.
ring::LinkState machine() {
  ring::LinkState state;
  state.links = {link(1, "lo"), link(2, "eth0"), link(3, "eth1"), link(4, "tun0")};
  state.links[3].hardware_type = ARPHRD_NONE;
  state.addresses = {address(1, "127.0.0.1"), address(2, "192.0.2.1"), address(2, "2001:db8::1"),
                     address(3, "198.51.100.1"), address(4, "10.8.0.1")};
  return state;
}

std::string refusal(const Names& names, const ring::LinkState& state) {
  try {
    const Interfaces interfaces(names, {}, state);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "not refused";
}

TEST(InterfacesTest, OneByName) {
  const Interfaces interfaces({"eth1"}, {}, machine());
  ASSERT_EQ(interfaces.targets().size(), 1U);
  EXPECT_EQ(interfaces.targets()[0].name, "eth1");
  EXPECT_EQ(interfaces.targets()[0].index, 3U);
  EXPECT_EQ(interfaces.targets()[0].access, ring::Access::link_layer);
  ASSERT_EQ(interfaces.stats().size(), 1U);
  EXPECT_EQ(interfaces.stats()[0].name, "eth1");
  EXPECT_EQ(interfaces.stats()[0].link_type, "EN10MB");
  EXPECT_EQ(interfaces.stats()[0].state, InterfaceState::up);
}

TEST(InterfacesTest, SeveralInTheOrderGiven) {
  const Interfaces interfaces({"tun0", "eth0"}, {}, machine());
  ASSERT_EQ(interfaces.targets().size(), 2U);
  EXPECT_EQ(interfaces.targets()[0].index, 4U);
  EXPECT_EQ(interfaces.targets()[0].access, ring::Access::network_layer);
  EXPECT_EQ(interfaces.targets()[1].index, 2U);
  EXPECT_EQ(interfaces.stats()[0].name, "tun0");
  EXPECT_EQ(interfaces.stats()[1].name, "eth0");
}

TEST(InterfacesTest, Any) {
  const Interfaces interfaces({"any"}, {}, machine());
  ASSERT_EQ(interfaces.targets().size(), 1U);
  EXPECT_EQ(interfaces.targets()[0].index, 0U);
  EXPECT_EQ(interfaces.targets()[0].access, ring::Access::network_layer);
  EXPECT_EQ(interfaces.stats()[0].state, InterfaceState::up);
}

TEST(InterfacesTest, UnknownNameSaysWhatThereIs) {
  EXPECT_EQ(refusal({"eth7"}, machine()),
            "cannot capture on eth7: there is no such interface; choose with -i from: any, lo, "
            "eth0, eth1, tun0");
  EXPECT_EQ(refusal({"eth0", "ETH0"}, machine()),
            "cannot capture on ETH0: there is no such interface; choose with -i from: any, lo, "
            "eth0, eth1, tun0");
}

TEST(InterfacesTest, AMessageStaysALineOnAMachineOfManyInterfaces) {
  ring::LinkState state;
  for (std::uint32_t i = 1; i <= 500; ++i) state.links.push_back(link(i, "v" + std::to_string(i)));
  EXPECT_EQ(refusal({"x"}, state),
            "cannot capture on x: there is no such interface; choose with -i from: any, v1, v2, "
            "v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, ...");
}

TEST(InterfacesTest, ANameThatCouldDriveATerminalIsShownSafely) {
  const std::string message = refusal({"\x1b[2J"}, machine());
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_NE(message.find("\\x1b[2J"), std::string::npos) << message;
}

TEST(InterfacesTest, LoopbackIndexOfWhatSeesIt) {
  const auto state = machine();
  const Interfaces eth({"eth0"}, {}, state);
  EXPECT_EQ(eth.loopback_index(eth.targets()[0]), 0U);
  const Interfaces lo({"lo"}, {}, state);
  EXPECT_EQ(lo.loopback_index(lo.targets()[0]), 1U);
  const Interfaces any({"any"}, {}, state);
  EXPECT_EQ(any.loopback_index(any.targets()[0]), 1U);
}

// Bits of Direction for a connection from `initiator` to `responder`.
int directions(const Locality& locality, const char* initiator, const char* responder,
               std::uint32_t index) {
  return locality.sides(parse_address(initiator).value(), parse_address(responder).value(), index)
      .directions;
}

TEST(InterfacesTest, LocalAreTheAddressesOfWatchedInterfaces) {
  const auto state = machine();
  const Locality eth0 = Interfaces({"eth0"}, {}, state).locality(state);
  EXPECT_EQ(directions(eth0, "203.0.113.5", "192.0.2.1", 2), 1);
  EXPECT_EQ(directions(eth0, "2001:db8::1", "2001:db8::2", 2), 2);
  EXPECT_EQ(directions(eth0, "203.0.113.5", "198.51.100.1", 2), 0) << "of another interface";
  EXPECT_EQ(directions(eth0, "203.0.113.5", "127.0.0.1", 1), 0) << "loopback is not watched";

  const Locality two = Interfaces({"eth0", "eth1"}, {}, state).locality(state);
  EXPECT_EQ(directions(two, "192.0.2.1", "198.51.100.1", 2), 3);

  const Locality any = Interfaces({"any"}, {}, state).locality(state);
  EXPECT_EQ(directions(any, "203.0.113.5", "10.8.0.1", 4), 1);
  EXPECT_EQ(directions(any, "203.0.113.6", "203.0.113.5", 1), 3) << "seen on loopback";
  EXPECT_EQ(directions(any, "203.0.113.6", "203.0.113.5", 2), 0);
}

TEST(InterfacesTest, LocalNetworksAreAdded) {
  const auto state = machine();
  const Interfaces interfaces({"eth0"}, {parse_prefix("203.0.113.0/24").value().prefix}, state);
  const Locality locality = interfaces.locality(state);
  EXPECT_EQ(directions(locality, "203.0.113.5", "8.8.8.8", 2), 2);
  EXPECT_EQ(directions(locality, "203.0.113.5", "192.0.2.1", 2), 3);
}

TEST(InterfacesTest, LocalityFollowsTheState) {
  auto state = machine();
  const Interfaces interfaces({"eth0"}, {}, state);
  state.addresses.push_back(address(2, "192.0.2.77"));
  EXPECT_EQ(directions(interfaces.locality(state), "203.0.113.5", "192.0.2.77", 2), 1);
  state.addresses.clear();
  EXPECT_EQ(interfaces.locality(state), Locality());
}

TEST(InterfacesTest, NamesByIndex) {
  auto state = machine();
  state.links.push_back(link(0x10005, "veth9"));
  Interfaces interfaces({"eth0"}, {}, state);
  EXPECT_EQ(interfaces.name_of(1), "lo");
  EXPECT_EQ(interfaces.name_of(3), "eth1");
  EXPECT_EQ(interfaces.name_of(5), "veth9") << "an attempt keeps 16 bits of the index";
  EXPECT_EQ(interfaces.name_of(99), "if99");
  EXPECT_EQ(interfaces.name_of(0), "if0");
  state.links[1].name = "renamed";
  static_cast<void>(interfaces.update(state));
  EXPECT_EQ(interfaces.name_of(2), "renamed");
}

TEST(InterfacesTest, WhatDevicesDroppedBeforeIsNotOurs) {
  auto state = machine();
  state.links[1].if_dropped = 1000;
  Interfaces interfaces({"eth0", "eth1"}, {}, state);
  EXPECT_EQ(interfaces.stats()[0].if_dropped, 0U);
  state.links[1].if_dropped = 1007;
  state.links[2].if_dropped = 3;
  static_cast<void>(interfaces.update(state));
  EXPECT_EQ(interfaces.stats()[0].if_dropped, 7U);
  EXPECT_EQ(interfaces.stats()[1].if_dropped, 3U);
  static_cast<void>(interfaces.update(state));
  EXPECT_EQ(interfaces.stats()[0].if_dropped, 7U) << "counted once";
}

TEST(InterfacesTest, AnySumsAllDevices) {
  auto state = machine();
  state.links[1].if_dropped = 10;
  Interfaces interfaces({"any"}, {}, state);
  state.links[1].if_dropped = 14;
  state.links[2].if_dropped = 5;
  static_cast<void>(interfaces.update(state));
  EXPECT_EQ(interfaces.stats()[0].if_dropped, 9U);
}

// A recreated device counts from zero; what was lost before stays counted.
TEST(InterfacesTest, ADeviceThatBeginsAnewTakesNothingBack) {
  auto state = machine();
  state.links[1].if_dropped = 10;
  Interfaces interfaces({"eth0"}, {}, state);
  state.links[1].if_dropped = 16;
  static_cast<void>(interfaces.update(state));
  ASSERT_EQ(interfaces.stats()[0].if_dropped, 6U);
  state.links[1].if_dropped = 1;
  static_cast<void>(interfaces.update(state));
  EXPECT_EQ(interfaces.stats()[0].if_dropped, 7U);
  state.links.erase(state.links.begin() + 1);
  static_cast<void>(interfaces.update(state));
  EXPECT_EQ(interfaces.stats()[0].if_dropped, 7U) << "the device is gone";
}

// The drops of the others from before we came must not appear when one goes.
TEST(InterfacesTest, ADeviceThatGoesInventsNoDropsOfAny) {
  auto state = machine();
  state.links[1].if_dropped = 100;
  state.links[2].if_dropped = 5;
  Interfaces interfaces({"any"}, {}, state);
  state.links.erase(state.links.begin() + 2);
  static_cast<void>(interfaces.update(state));
  EXPECT_EQ(interfaces.stats()[0].if_dropped, 0U);
}

TEST(InterfacesTest, UpAndDown) {
  auto state = machine();
  state.links[1].up = false;
  Interfaces interfaces({"eth0", "eth1"}, {}, state);
  EXPECT_EQ(interfaces.stats()[0].state, InterfaceState::down);
  EXPECT_EQ(interfaces.stats()[1].state, InterfaceState::up);
  state.links[1].up = true;
  state.links[2].up = false;
  const auto changes = interfaces.update(state);
  EXPECT_EQ(interfaces.stats()[0].state, InterfaceState::up);
  EXPECT_EQ(interfaces.stats()[1].state, InterfaceState::down);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].name, "eth0");
  EXPECT_EQ(changes[0].now, InterfaceState::up);
  EXPECT_EQ(changes[1].name, "eth1");
  EXPECT_EQ(changes[1].now, InterfaceState::down);
  EXPECT_TRUE(interfaces.update(state).empty()) << "told once";
}

// A mirror port whose cable was pulled shows nothing at all, and is up.
TEST(InterfacesTest, WithoutACarrierItIsNotUp) {
  auto state = machine();
  Interfaces interfaces({"eth0"}, {}, state);
  state.links[1].carrier = false;
  auto changes = interfaces.update(state);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].now, InterfaceState::no_carrier);
  EXPECT_EQ(interfaces.stats()[0].state, InterfaceState::no_carrier);
  state.links[1].up = false;
  changes = interfaces.update(state);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].now, InterfaceState::down) << "what its administrator wants comes first";
}

// A socket is bound to the device, not to its name: one recreated under that name is watched once there
// are sockets on it.
TEST(InterfacesTest, ADeviceMadeAnewIsGoneUntilItIsRebound) {
  auto state = machine();
  Interfaces interfaces({"eth0", "eth1"}, {}, state);
  state.links[1].index = 9;
  auto changes = interfaces.update(state);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].now, InterfaceState::gone);
  EXPECT_EQ(interfaces.stats()[0].state, InterfaceState::gone);
  EXPECT_FALSE(interfaces.all_gone());

  interfaces.rebind(0, 9);
  changes = interfaces.update(state);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].now, InterfaceState::up);
  EXPECT_EQ(interfaces.stats()[0].state, InterfaceState::up);
}

TEST(InterfacesTest, AllGone) {
  auto state = machine();
  Interfaces interfaces({"eth0", "eth1"}, {}, state);
  state.links.resize(1);
  EXPECT_EQ(interfaces.update(state).size(), 2U);
  EXPECT_TRUE(interfaces.all_gone());
}

TEST(InterfacesTest, ARenamedDeviceIsStillWatched) {
  auto state = machine();
  Interfaces interfaces({"eth0"}, {}, state);
  state.links[1].name = "wan";
  static_cast<void>(interfaces.update(state));
  EXPECT_EQ(interfaces.stats()[0].state, InterfaceState::up);
}

TEST(InterfacesTest, AnyNeedsNoDevice) {
  const Interfaces interfaces({"any"}, {}, {});
  EXPECT_EQ(interfaces.targets().size(), 1U);
  EXPECT_EQ(refusal({"eth0"}, {}),
            "cannot capture on eth0: there is no such interface; choose with -i from: any, ");
}

// The default asks the kernel for its routes: in a namespace without one, nothing but the state
// decides.
class InterfacesLiveTest : public test::LiveTest {};

TEST_F(InterfacesLiveTest, WithoutARouteTheDefaultIsTheFirstThatIsUp) {
  auto state = machine();
  EXPECT_EQ(Interfaces({}, {}, state).targets()[0].name, "eth0");
  state.links[1].up = false;
  EXPECT_EQ(Interfaces({}, {}, state).targets()[0].name, "eth1");
}

TEST_F(InterfacesLiveTest, NoneToChoose) {
  auto state = machine();
  state.links.resize(2);
  state.links[1].up = false;
  EXPECT_EQ(refusal({}, state),
            "cannot choose an interface: none is up besides loopback; name one with -i from: any, "
            "lo, eth0");
}

}  // namespace
}  // namespace tcpeek::engine
