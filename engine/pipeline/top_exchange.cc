#include "engine/pipeline/top_exchange.h"

#include <algorithm>
#include <functional>

#include "engine/filters/filter_expression.h"

namespace tcpeek::engine {
namespace {

PeerKind kind_of(ipc::TopBy by) noexcept {
  switch (by) {
    case ipc::TopBy::service:  // handled before
    case ipc::TopBy::initiator:
      return PeerKind::initiator;
    case ipc::TopBy::pair:
      return PeerKind::pair;
    case ipc::TopBy::network:
      return PeerKind::network;
  }
  __builtin_unreachable();
}

TopKey key_of(const ServiceKey& key) noexcept {
  return {{bytes_of(key.address), {}}, key.port, key.directions};
}

bool is_local(const ServiceKey& key) noexcept {
  return (key.directions & static_cast<unsigned>(Direction::rx)) != 0;
}

// A heap with the last of the foremost on top.
bool comes_first(const TopCandidate& a, const TopCandidate& b) noexcept {
  return a.rank > b.rank;
}

}  // namespace

bool TopExchange::answer(TopTables& tables, const PacketTimeline& timeline,
                         std::uint64_t asked) noexcept {
  const bool services = query_.by == ipc::TopBy::service;
  if (query_.part == TopQuery::Part::services) {
    if (sum_services(tables.services())) return true;
    tell_services(tables);
  } else if (query_.part == TopQuery::Part::candidates) {
    if (next_row_ == 0) {
      report_.candidates.clear();
      report_.unlisted = {};
    }
    if (services && rank_services(tables.services())) return true;
    if (!services) rank_peers(tables.peers(), kind_of(query_.by));
  } else if (services) {
    tell_services(tables);
  } else {
    tables.peers().settle();
    tell_peers(tables.peers(), kind_of(query_.by));
  }
  report_.wall_offset = timeline.wall(flowtable::PacketTime()).count();
  next_row_ = 0;
  answered_.store(asked, std::memory_order_release);
  answered_event_.notify();
  return false;
}

// Keeps the foremost of the rows seen so far; true while there are more rows.
bool TopExchange::rank_services(const ServiceTable& services) noexcept {
  std::vector<TopCandidate>& heap = report_.candidates;
  const std::size_t first = std::max<std::size_t>(next_row_, 1);
  const std::size_t end = std::min(services.end(), first + kRowsAtOnce);
  for (std::size_t number = first; number < end; ++number) {
    const Service& row = services[number];
    const TopRank rank{services.recent(row).failures, row.failures.suffered(), row.attempts()};
    if (heap.size() == TopReport::kMostCandidates) {
      report_.unlisted = std::max(report_.unlisted, std::min(rank, heap.front().rank));
      if (rank <= heap.front().rank) continue;
      std::pop_heap(heap.begin(), heap.end(), comes_first);
      heap.pop_back();
    }
    heap.push_back({key_of(row.key), rank});
    std::push_heap(heap.begin(), heap.end(), comes_first);
  }
  next_row_ = end;
  return end < services.end();
}

// What METRICS lists; true while there are more rows.
bool TopExchange::sum_services(const ServiceTable& services) noexcept {
  if (next_row_ == 0) {
    report_.candidates.clear();
    report_.ports.begin({query_.ports.data(), query_.port_count});
  }
  const std::size_t first = std::max<std::size_t>(next_row_, 1);
  const std::size_t end = std::min(services.end(), first + kRowsAtOnce);
  for (std::size_t number = first; number < end; ++number) {
    const Service& row = services[number];
    if (is_local(row.key)) {
      report_.ports.add(row);
    } else if (query_.with_remote && row.key.directions != 0 && matters(row) &&
               report_.candidates.size() < TopReport::kMostCandidates) {
      report_.candidates.push_back({key_of(row.key), {0, 0, row.attempts()}});
    }
  }
  next_row_ = end;
  return end < services.end();
}

// Of both windows; one that is in both is named twice.
void TopExchange::rank_peers(const PeerTables& peers, PeerKind kind) noexcept {
  for (std::size_t window = 0; window < PeerTables::kWindows; ++window) {
    const FailureSketch& sketch = peers.failures(kind, window);
    const std::size_t count = std::min(sketch.size(), TopReport::kMostCandidates);
    for (std::size_t i = 0; i < count; ++i) {
      const PeerFailures& peer = sketch.ranked(i);
      report_.candidates.push_back({{peer.key, 0, 0}, {peer.failures, peer.failures, 0}});
    }
    const std::uint64_t next =
        count < sketch.size() ? sketch.ranked(count).failures : sketch.floor();
    report_.unlisted += {next, next, 0};
  }
}

void TopExchange::tell_services(const TopTables& tables) noexcept {
  const ServiceTable& services = tables.services();
  report_.services.clear();
  for (std::size_t i = 0; i < query_.count; ++i) {
    const TopKey& key = query_.keys[i];
    const auto number = services.find(
        {flowtable::AddressWords::of(key.ends.first.data()), key.port, key.directions});
    TopService& told = report_.services.emplace_back();
    if (!number) continue;
    told.row = services[*number];
    told.recent = services.recent(told.row);
    told.noted = tables.notes().of(*number, told.row.counting_since);
  }
  const Service& others = services[ServiceTable::kOthers];
  report_.others = {.row = others, .recent = services.recent(others)};
  report_.services_known = services.end() - 1;
  report_.services_displaced = services.displaced();
}

void TopExchange::tell_peers(const PeerTables& peers, PeerKind kind) noexcept {
  report_.peers.clear();
  for (std::size_t i = 0; i < query_.count; ++i) {
    report_.peers.push_back(peers.counts(kind, query_.keys[i].ends));
  }
  report_.attempts_error = peers.attempts_error();
}

}  // namespace tcpeek::engine
