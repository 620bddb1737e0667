// What METRICS tells of services: counts by local port, and by address and port of remote ones if that was
// asked for. Plain data; addresses are already text.
//
// Invariant: services are named once; counts of a service never fall while it is listed.
// Thread contract: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ipc/top.h"

namespace tcpeek::ipc {

struct ServiceCounts {
  std::uint64_t attempts = 0;
  std::uint64_t pending = 0;
  std::uint64_t success = 0;
  std::uint64_t evicted = 0;
  std::uint64_t dup_syn_segments = 0;
  std::uint64_t dup_synack_segments = 0;
  FailureCounts failures{};
};

struct ServiceMetric {
  std::string address;  // of a remote responder; empty: any address of this host
  std::uint16_t port = 0;
  ServiceCounts counts;

  [[nodiscard]] bool is_local() const noexcept { return address.empty(); }
};

struct ServiceMetrics {
  std::vector<ServiceMetric> services;  // in the order in which they became known
  std::uint64_t not_listed = 0;         // services that matter and found no room
};

}  // namespace tcpeek::ipc
