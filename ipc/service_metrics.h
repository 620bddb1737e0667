// What METRICS tells of services: counts by local port, and by address and port of remote ones if that was
// asked for. Plain data; addresses are already text.
//
// Invariant: services are named once; counts of a service never fall while it is listed.
// Thread contract: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipc/health_stats.h"
#include "ipc/top.h"

namespace tcpeek::ipc {

struct ServiceCounts {
  std::uint64_t attempts = 0;
  std::uint64_t pending = 0;
  std::uint64_t retrying = 0;  // of the pending
  std::uint64_t success = 0;
  std::uint64_t evicted = 0;
  std::uint64_t dup_syn_segments = 0;
  std::uint64_t dup_synack_segments = 0;
  FailureCounts failures{};
};

// Of a local port the worst of its addresses; unknown where none is followed (engine/alerts/health.h).
struct ServiceHealth {
  HealthState is = HealthState::unknown;
  std::optional<std::chrono::system_clock::time_point> since;  // none while unknown
};

struct ServiceMetric {
  std::string address;  // of a remote responder; empty: any address of this host
  std::uint16_t port = 0;
  ServiceCounts counts{};
  ServiceHealth health{};

  [[nodiscard]] bool is_local() const noexcept { return address.empty(); }
};

struct ServiceMetrics {
  std::vector<ServiceMetric> services;  // in the order in which they became known
  std::uint64_t not_listed = 0;         // services that matter and found no room
};

}  // namespace tcpeek::ipc
