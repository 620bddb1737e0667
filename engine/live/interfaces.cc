#include "engine/live/interfaces.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

using ipc::InterfaceState;

std::string names_of(const ring::LinkState& state) {
  std::vector<std::string> names;
  for (const ring::Link& link : state.links) names.push_back(printable(link.name));
  constexpr std::size_t kShown = 12;
  const bool more = names.size() > kShown;
  if (more) names.resize(kShown);
  return fmt::format("{}{}", fmt::join(names, ", "), more ? ", ..." : "");
}

ring::CaptureTarget find_target(const std::string& name, const ring::LinkState& state) {
  if (name == "any") return {name, 0, ring::Access::network_layer};
  const ring::Link* link = state.find(name);
  if (link == nullptr) {
    throw std::runtime_error(fmt::format(
        "cannot capture on {}: there is no such interface; choose with -i from: any, {}",
        printable(name), names_of(state)));
  }
  return {name, link->index, ring::access_for(*link)};
}

// By index: a device that was deleted and recreated has the name, but not our sockets.
InterfaceState state_of(const ring::CaptureTarget& target, const ring::LinkState& state) noexcept {
  if (target.index == 0) return InterfaceState::up;
  const auto link = std::ranges::find(state.links, target.index, &ring::Link::index);
  if (link == state.links.end()) return InterfaceState::gone;
  if (!link->up) return InterfaceState::down;
  return link->carrier ? InterfaceState::up : InterfaceState::no_carrier;
}

Address to_address(const ring::LinkAddress& a) noexcept {
  Address address;
  if (!a.v4) {
    address.bytes = a.bytes;
    return address;
  }
  address.bytes[10] = address.bytes[11] = 0xff;
  std::copy_n(a.bytes.begin(), 4, address.bytes.begin() + 12);
  return address;
}

}  // namespace

Interfaces::Interfaces(const std::vector<std::string>& names, std::vector<Prefix> local_networks,
                       const ring::LinkState& state)
    : local_networks_(std::move(local_networks)) {
  for (const std::string& name : names) targets_.push_back(find_target(name, state));
  if (targets_.empty()) {
    const auto chosen = ring::default_interface(state);
    if (!chosen) {
      throw std::runtime_error(fmt::format(
          "cannot choose an interface: none is up besides loopback; name one with -i from: any, {}",
          names_of(state)));
    }
    targets_.push_back(find_target(*chosen, state));
  }
  for (const ring::CaptureTarget& target : targets_) {
    stats_.push_back({.name = target.name, .link_type = ring::link_type_name(target.access)});
  }
  for (const ring::Link& link : state.links) device_drops_[link.index] = link.if_dropped;
  static_cast<void>(update(state));
}

bool Interfaces::watches(std::uint32_t index) const noexcept {
  return std::any_of(targets_.begin(), targets_.end(), [&](const ring::CaptureTarget& target) {
    return target.index == 0 || target.index == index;
  });
}

std::uint32_t Interfaces::loopback_index(const ring::CaptureTarget& target) const noexcept {
  for (const ring::Link& link : links_) {
    if (link.loopback && (target.index == 0 || target.index == link.index)) return link.index;
  }
  return 0;
}

Locality Interfaces::locality(const ring::LinkState& state) const {
  std::vector<Address> addresses;
  for (const ring::LinkAddress& a : state.addresses) {
    if (watches(a.index)) addresses.push_back(to_address(a));
  }
  std::vector<std::uint32_t> loopbacks;
  for (const ring::Link& link : state.links) {
    if (link.loopback && watches(link.index)) loopbacks.push_back(link.index);
  }
  return {std::move(addresses), local_networks_, std::move(loopbacks)};
}

std::vector<LinkChange> Interfaces::update(const ring::LinkState& state) {
  links_ = state.links;
  std::map<std::uint32_t, std::uint64_t> latest;
  std::map<std::uint32_t, std::uint64_t> grown;
  for (const ring::Link& link : state.links) {
    // A device that is new, or was recreated, counts from zero.
    const auto before = device_drops_.find(link.index);
    const bool goes_on = before != device_drops_.end() && before->second <= link.if_dropped;
    grown[link.index] = link.if_dropped - (goes_on ? before->second : 0);
    latest[link.index] = link.if_dropped;
  }
  device_drops_ = std::move(latest);

  std::vector<LinkChange> changes;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    for (const auto& [index, drops] : grown) {
      if (targets_[i].index == 0 || targets_[i].index == index) stats_[i].if_dropped += drops;
    }
    const InterfaceState now = state_of(targets_[i], state);
    if (now != stats_[i].state) changes.push_back({targets_[i].name, now});
    stats_[i].state = now;
  }
  return changes;
}

bool Interfaces::all_gone() const noexcept {
  return std::ranges::all_of(stats_, [](const ipc::InterfaceStats& interface) {
    return interface.state == InterfaceState::gone;
  });
}

std::string Interfaces::name_of(std::uint16_t index) const {
  for (const ring::Link& link : links_) {
    if (static_cast<std::uint16_t>(link.index) == index) return link.name;
  }
  return fmt::format("if{}", index);
}

}  // namespace tcpeek::engine
