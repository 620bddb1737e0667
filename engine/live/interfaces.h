// The interfaces to watch: found at start, their state and addresses kept current.
//
// Thread contract: the reactor's thread.
// Errors: std::runtime_error, worded for the user, when there is no such interface or none to choose.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/filters/address.h"
#include "engine/filters/locality.h"
#include "ipc/snapshot.h"
#include "ring/capture_group.h"
#include "ring/links.h"

namespace tcpeek::engine {

struct LinkChange {
  std::string name;
  ipc::InterfaceState now = ipc::InterfaceState::up;
};

class Interfaces {
 public:
  // `names` as given with -i; empty chooses the default.
  Interfaces(const std::vector<std::string>& names, std::vector<Prefix> local_networks,
             const ring::LinkState& state);

  [[nodiscard]] const std::vector<ring::CaptureTarget>& targets() const noexcept {
    return targets_;
  }
  // Index of the loopback device if this target sees it, else 0.
  [[nodiscard]] std::uint32_t loopback_index(const ring::CaptureTarget& target) const noexcept;

  // What is local as `state` has it.
  [[nodiscard]] Locality locality(const ring::LinkState& state) const;

  // From now on these are the --local networks.
  void use_local(std::vector<Prefix> networks) { local_networks_ = std::move(networks); }

  // The target is this interface from now on: one recreated under its name.
  void rebind(std::size_t target, std::uint32_t index) { targets_[target].index = index; }

  // Updates the devices' drop counts and states; returns those whose state changed.
  std::vector<LinkChange> update(const ring::LinkState& state);
  // Whether none is there any more.
  [[nodiscard]] bool all_gone() const noexcept;
  // One entry per target; packets and drops are for the caller to fill in.
  [[nodiscard]] const std::vector<ipc::InterfaceStats>& stats() const noexcept { return stats_; }

  // The name of an interface by the 16 bits of its index that an attempt keeps.
  [[nodiscard]] std::string name_of(std::uint16_t index) const;

 private:
  [[nodiscard]] bool watches(std::uint32_t index) const noexcept;

  std::vector<ring::CaptureTarget> targets_;
  std::vector<Prefix> local_networks_;
  std::vector<ring::Link> links_;
  std::map<std::uint32_t, std::uint64_t> device_drops_;  // by interface, as last read
  std::vector<ipc::InterfaceStats> stats_;
};

}  // namespace tcpeek::engine
