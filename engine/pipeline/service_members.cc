#include "engine/pipeline/service_members.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "engine/filters/address.h"

namespace tcpeek::engine {
namespace {

using ipc::FailureCounts;
using ipc::ServiceCounts;

// Those that only grow; `attempts` is their sum and what is pending.
constexpr std::array kCounters{&ServiceCounts::success, &ServiceCounts::evicted,
                               &ServiceCounts::dup_syn_segments,
                               &ServiceCounts::dup_synack_segments};
constexpr std::array kFailureCounters{
    &FailureCounts::refused,   &FailureCounts::reset,      &FailureCounts::aborted,
    &FailureCounts::half_open, &FailureCounts::probe,      &FailureCounts::no_answer,
    &FailureCounts::no_ack,    &FailureCounts::superseded, &FailureCounts::unreachable};

ipc::ServiceMetric named(std::uint16_t port) {
  return {.address = {}, .port = port};
}

ipc::ServiceMetric named(const TopKey& key) {
  return {.address = to_string(Address{key.ends.first}), .port = key.port};
}

}  // namespace

TopQuery ServiceMembers::query() const {
  TopQuery query;
  query.part = TopQuery::Part::services;
  query.with_remote = limits_.remote > 0;
  query.count = remote_.keys.size();
  std::ranges::copy(remote_.keys, query.keys.begin());
  query.port_count = local_.keys.size();
  std::ranges::copy(local_.keys, query.ports.begin());
  return query;
}

bool ServiceMembers::update(TopReports readers) {
  follow_local(readers);
  follow_remote(readers);
  not_listed_ = 0;
  const bool more_local = admit(local_, limits_.local, new_ports(readers));
  const bool more_remote = admit(remote_, limits_.remote, new_remote(readers));
  return more_local || more_remote;
}

void ServiceMembers::follow(Member& member, const ServiceCounts& now) noexcept {
  ServiceCounts& shown = member.service.counts;
  const auto follow_one = [](std::uint64_t& last, std::uint64_t& given_up, std::uint64_t& counter,
                             std::uint64_t current) {
    if (current < last) given_up += last - current;
    last = current;
    counter = given_up + current;
  };
  for (const auto counter : kCounters) {
    follow_one(member.last.*counter, member.given_up.*counter, shown.*counter, now.*counter);
  }
  for (const auto counter : kFailureCounters) {
    follow_one(member.last.failures.*counter, member.given_up.failures.*counter,
               shown.failures.*counter, now.failures.*counter);
  }
  shown.pending = now.pending;
  shown.retrying = now.retrying;
  shown.attempts = shown.success + shown.evicted + shown.failures.total() + shown.pending;
}

// A reader tells of the ports that were asked about first, in the same order.
void ServiceMembers::follow_local(TopReports readers) {
  for (std::size_t i = 0; i < local_.members.size(); ++i) {
    ServiceCounts sum;
    for (const TopReport* reader : readers) {
      const ServiceCounts& told = reader->ports.ports()[i].counts;
      sum.pending += told.pending;
      sum.retrying += told.retrying;
      for (const auto counter : kCounters) sum.*counter += told.*counter;
      sum.failures += told.failures;
    }
    follow(local_.members[i], sum);
  }
}

void ServiceMembers::follow_remote(TopReports readers) {
  for (std::size_t i = 0; i < remote_.members.size(); ++i) {
    ServiceCounts sum;
    for (const TopReport* reader : readers) add_to(sum, reader->services[i].row);
    follow(remote_.members[i], sum);
  }
}

ServiceMembers::Candidates<std::uint16_t> ServiceMembers::new_ports(TopReports readers) const {
  Candidates<std::uint16_t> candidates;
  for (const TopReport* reader : readers) {
    for (const PortCounts& each : reader->ports.ports().subspan(local_.members.size())) {
      candidates[each.port] += each.counts.attempts;
    }
  }
  return candidates;
}

ServiceMembers::Candidates<TopKey> ServiceMembers::new_remote(TopReports readers) const {
  Candidates<TopKey> candidates;
  if (limits_.remote == 0) return candidates;
  for (const TopReport* reader : readers) {
    for (const TopCandidate& each : reader->candidates) {
      if (std::ranges::find(remote_.keys, each.key) != remote_.keys.end()) continue;
      candidates[each.key] += each.rank.attempts;
    }
  }
  return candidates;
}

template <typename Key>
bool ServiceMembers::admit(Kind<Key>& kind, std::size_t limit, const Candidates<Key>& candidates) {
  std::vector<std::pair<std::uint64_t, Key>> ranked;
  for (const auto& [key, attempts] : candidates) ranked.emplace_back(attempts, key);
  std::ranges::stable_sort(ranked, std::ranges::greater(),
                           [](const auto& each) { return each.first; });
  const std::size_t room = limit - std::min(limit, kind.members.size());
  const std::size_t admitted = std::min(room, ranked.size());
  for (std::size_t i = 0; i < admitted; ++i) {
    kind.keys.push_back(ranked[i].second);
    kind.members.push_back({named(ranked[i].second), {}, {}});
  }
  if (limit > 0) not_listed_ += ranked.size() - admitted;
  return admitted > 0;
}

ipc::ServiceMetrics ServiceMembers::metrics() const {
  ipc::ServiceMetrics metrics;
  for (const Member& member : local_.members) metrics.services.push_back(member.service);
  for (const Member& member : remote_.members) metrics.services.push_back(member.service);
  metrics.not_listed = not_listed_;
  return metrics;
}

}  // namespace tcpeek::engine
