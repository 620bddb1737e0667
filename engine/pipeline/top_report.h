// What the reactor asks a reader for TOP, and what it gets: plain data, with room made once.
//
// Thread contract: written by one side at a time (top_exchange.h).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/pipeline/failure_sketch.h"
#include "engine/pipeline/peer_tables.h"
#include "engine/pipeline/port_sums.h"
#include "engine/pipeline/service_notes.h"
#include "engine/pipeline/service_table.h"
#include "ipc/top.h"

namespace tcpeek::engine {

// A service, or a peer: then port and directions are 0.
struct TopKey {
  PeerKey ends;  // of a service: the responder's address
  std::uint16_t port = 0;
  std::uint16_t directions = 0;
  auto operator<=>(const TopKey&) const = default;
};

// What comes first: most failures of late, then most of all, then most attempts.
struct TopRank {
  std::uint64_t recent_failures = 0;
  std::uint64_t failures = 0;
  std::uint64_t attempts = 0;
  auto operator<=>(const TopRank&) const = default;

  TopRank& operator+=(const TopRank& other) noexcept {
    recent_failures += other.recent_failures;
    failures += other.failures;
    attempts += other.attempts;
    return *this;
  }
};

struct TopCandidate {
  TopKey key;
  TopRank rank;
};

struct TopService {
  Service row;  // all 0 if the reader does not know it
  ServiceTable::Recent recent;
  NotedOfService noted{};
};

struct TopQuery {
  enum class Part : std::uint8_t { candidates, details, services };
  Part part = Part::candidates;
  ipc::TopBy by = ipc::TopBy::service;
  std::size_t count = 0;  // of the keys to tell the details of
  std::array<TopKey, ipc::TopRequest::kMost> keys;
  // Part::services, for METRICS: of these ports of this host, and of `keys`.
  std::size_t port_count = 0;
  std::array<std::uint16_t, ipc::TopRequest::kMost> ports{};
  bool with_remote = false;  // candidates are remote services that matter
};

struct TopReport {
  // Of one reader at most; of as many the reader tells the rank.
  static constexpr std::size_t kMostCandidates = 1024;

  TopReport() {
    candidates.reserve(kMostCandidates * PeerTables::kWindows);
    services.reserve(ipc::TopRequest::kMost);
    peers.reserve(ipc::TopRequest::kMost);
  }

  // Part::candidates.
  std::vector<TopCandidate> candidates;
  TopRank unlisted;  // no other comes before this

  // Part::details, in the order of the keys.
  std::vector<TopService> services;
  TopService others;  // ServiceTable::kOthers
  std::vector<PeerCounts> peers;
  std::uint64_t attempts_error = 0;
  std::uint64_t services_known = 0;
  std::uint64_t services_displaced = 0;
  // Part::services: those asked about first, then others that matter.
  PortSums ports;
  std::int64_t wall_offset = 0;  // from packet time to wall-clock time, in nanoseconds
};

}  // namespace tcpeek::engine
