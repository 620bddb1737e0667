// A reader's counts of the services of this host by port, whatever local address they have: for METRICS, where
// an address is no label.
//
// Ports are those asked about, and others that matter, as many as there is room for. What matters: where a
// handshake succeeded, or many were tried. Of ports that Linux gives to clients only the latter, as a service
// there is mostly a passing one, such as a transfer's. So scanning a host lists nothing.
//
// Thread contract: written by one side at a time (top_exchange.h). add() and begin() allocate nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/pipeline/service_table.h"
#include "ipc/service_metrics.h"

namespace tcpeek::engine {

// A service that is worth following for as long as tcpeek runs.
[[nodiscard]] inline bool matters(const Service& row) noexcept {
  constexpr std::uint16_t kFirstEphemeral = 32768;  // net.ipv4.ip_local_port_range
  constexpr std::uint64_t kMany = 20;
  if (row.success > 0 && row.key.port < kFirstEphemeral) return true;
  return row.attempts() >= kMany;
}

// Adds a row's counts to those of its service.
inline void add_to(ipc::ServiceCounts& sum, const Service& row) noexcept {
  sum.attempts += row.attempts();
  sum.pending += row.pending;
  sum.retrying += row.retrying;
  sum.success += row.success;
  sum.evicted += row.evicted;
  sum.dup_syn_segments += row.dup_syns;
  sum.dup_synack_segments += row.dup_synacks;
  sum.failures += row.failures;
}

struct PortCounts {
  std::uint16_t port = 0;
  ipc::ServiceCounts counts;
};

class PortSums {
 public:
  static constexpr std::size_t kMostPorts = 1024;

  PortSums() : places_(kNumbers) { ports_.reserve(kMostPorts); }

  // Forgets all. `asked`, kMostPorts at most, come first and in this order.
  void begin(std::span<const std::uint16_t> asked) noexcept {
    for (const PortCounts& each : ports_) places_[each.port] = 0;
    ports_.clear();
    for (const std::uint16_t port : asked) append(port);
  }

  // A service whose responder is local.
  void add(const Service& row) noexcept {
    std::uint16_t place = places_[row.key.port];
    if (place == 0) {
      if (!matters(row) || ports_.size() == kMostPorts) return;
      place = append(row.key.port);
    }
    add_to(ports_[place - 1U].counts, row);
  }

  [[nodiscard]] std::span<const PortCounts> ports() const noexcept { return ports_; }

 private:
  static constexpr std::size_t kNumbers = 65536;

  std::uint16_t append(std::uint16_t port) noexcept {
    ports_.push_back({port, {}});
    return places_[port] = static_cast<std::uint16_t>(ports_.size());
  }

  std::vector<PortCounts> ports_;
  std::vector<std::uint16_t> places_;  // by port, in `ports_`, from 1 on; 0: it has none
};

}  // namespace tcpeek::engine
