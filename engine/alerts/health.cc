#include "engine/alerts/health.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace tcpeek::engine {
namespace {

using ipc::HealthFigures;

// What counts anew has another identity. Counts of the same one fall where one of several readers has forgotten
// the service: nothing ended by that.
HealthFigures growth(const HealthFigures& now, const HealthFigures& before) noexcept {
  const auto grown = [](std::uint64_t one, std::uint64_t other) {
    return one - std::min(one, other);
  };
  return {.succeeded = grown(now.succeeded, before.succeeded),
          .failed = grown(now.failed, before.failed),
          .retried = grown(now.retried, before.retried)};
}

// What its own initiator aborted is neither a failure nor a success; of evicted ones nobody knows.
HealthFigures figures_of(const ipc::TopServiceRow& row) noexcept {
  return {.succeeded = row.success, .failed = row.failures.causes.suffered(), .retried = 0};
}

// A service that was first seen so short a time ago is judged by all that it counted.
constexpr std::chrono::seconds kNewFor{2};

ipc::ServiceHealth brief(const ipc::FilterHealth& health) {
  return {.is = health.is, .since = health.since};
}

std::string identity_of(const ipc::FilterStats& filter) {
  return std::to_string(filter.since) + ' ' + filter.expression;
}

}  // namespace

std::vector<HealthChange> Health::on_second(const ipc::Snapshot& snapshot) {
  clock_ = snapshot.clock();
  std::vector<HealthChange> changes;
  for (const ipc::FilterStats& filter : snapshot.filters) {
    if (filter.removed) continue;
    Series& series = filters_[filter.name];
    if (const std::string identity = identity_of(filter); series.identity != identity)
      series = Series(identity);
    const auto change = feed(series, filter.counts.health(), snapshot.uptime);
    if (!change) continue;
    changes.push_back({.of = HealthChange::Of::filter,
                       .key = filter.name,
                       .change = *change,
                       .times = series.health.told(clock_).times});
  }
  std::erase_if(filters_, [&](const auto& entry) { return entry.second.fed != snapshot.uptime; });
  return changes;
}

std::vector<HealthChange> Health::on_services(const ipc::Top& top, const ipc::UptimeClock& now) {
  std::vector<HealthChange> changes;
  for (const ipc::TopServiceRow& row : top.services) {
    const HealthFigures counted = figures_of(row);
    const auto change = feed(service(row, counted, now.uptime), counted, now.uptime);
    if (!change || change->to == ipc::HealthState::never_succeeded) continue;
    changes.push_back({.of = HealthChange::Of::service,
                       .key = service_name(row),
                       .change = *change,
                       .times = {.failing_since = row.failing_since,
                                 .last_failure = row.last_failure,
                                 .last_success = row.last_success}});
  }
  forget_services(now.uptime);
  return changes;
}

// New ones are judged by what ends from now on.
Health::Series& Health::service(const ipc::TopServiceRow& row, const HealthFigures& counted,
                                std::chrono::milliseconds now) {
  Series& series = services_[service_name(row)];
  const std::string identity = std::to_string(row.identity);
  if (series.identity == identity) return series;
  series = Series(identity);
  if (row.responder_local) series.local_port = row.port;
  const bool is_new = row.counting_since && clock_.taken - *row.counting_since < kNewFor;
  if (is_new) return series;
  series.counted = counted;
  if (counted.succeeded != 0) series.health.note_earlier_success(now);
  return series;
}

void Health::forget_services(std::chrono::milliseconds now) {
  std::erase_if(services_, [&](const auto& entry) { return now - entry.second.fed > kForgotten; });
  while (services_.size() > kMostServices) {
    services_.erase(std::ranges::min_element(services_, {},
                                             [](const auto& entry) { return entry.second.fed; }));
  }
}

std::optional<SeriesHealth::Change> Health::feed(Series& series, const HealthFigures& counted,
                                                 std::chrono::milliseconds now) const {
  series.fed = now;
  const HealthFigures ended = growth(counted, std::exchange(series.counted, counted));
  return series.health.add(ended, now, limits_);
}

void Health::describe(ipc::Snapshot& snapshot) const {
  for (ipc::FilterStats& filter : snapshot.filters) {
    if (filter.removed) continue;
    const auto known = filters_.find(filter.name);
    const bool same = known != filters_.end() && known->second.identity == identity_of(filter);
    // One that came within the last second has nothing to tell yet.
    filter.health = same ? known->second.health.told(snapshot.clock()) : ipc::FilterHealth{};
  }
}

void Health::describe(ipc::Top& top) const {
  for (ipc::TopServiceRow& row : top.services) {
    const auto known = services_.find(service_name(row));
    if (known != services_.end()) row.health = known->second.health.told(clock_);
  }
}

void Health::describe(ipc::ServiceMetrics& services) const {
  std::unordered_map<std::uint16_t, ipc::ServiceHealth> ports;
  for (const auto& [key, series] : services_) {
    if (series.local_port == 0) continue;
    const ipc::ServiceHealth told = brief(series.health.told(clock_));
    ipc::ServiceHealth& worst = ports[series.local_port];
    const bool longer = told.is == worst.is && told.since < worst.since;
    if (told.is > worst.is || longer) worst = told;
  }
  for (ipc::ServiceMetric& service : services.services) {
    service.health = {};
    if (service.is_local()) {
      if (const auto port = ports.find(service.port); port != ports.end()) {
        service.health = port->second;
      }
      continue;
    }
    ipc::TopServiceRow remote;
    remote.address = service.address;
    remote.port = service.port;
    remote.initiator_local = true;
    const auto known = services_.find(ipc::service_name(remote));
    if (known != services_.end()) service.health = brief(known->second.health.told(clock_));
  }
}

}  // namespace tcpeek::engine
