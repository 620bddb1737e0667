#include "engine/alerts/health.h"

#include <utility>

namespace tcpeek::engine {
namespace {

using ipc::HealthFigures;

HealthFigures growth(const HealthFigures& now, const HealthFigures& before) noexcept {
  const bool anew = now.succeeded < before.succeeded || now.failed < before.failed ||
                    now.retried < before.retried;
  if (anew) return now;
  return {.succeeded = now.succeeded - before.succeeded,
          .failed = now.failed - before.failed,
          .retried = now.retried - before.retried};
}

std::string identity_of(const ipc::FilterStats& filter) {
  return std::to_string(filter.since) + ' ' + filter.expression;
}

}  // namespace

std::vector<HealthChange> Health::on_second(const ipc::Snapshot& snapshot) {
  ++round_;
  std::vector<HealthChange> changes;
  for (const ipc::FilterStats& filter : snapshot.filters) {
    if (filter.removed) continue;
    feed(filter.name, identity_of(filter), filter.counts.health(), snapshot, changes);
  }
  std::erase_if(series_, [this](const auto& entry) { return entry.second.round != round_; });
  return changes;
}

void Health::feed(const std::string& key, const std::string& identity, const HealthFigures& counted,
                  const ipc::Snapshot& snapshot, std::vector<HealthChange>& changes) {
  Series& series = series_[key];
  if (series.identity != identity) series = {.identity = identity, .counted = {}, .health = {}};
  series.round = round_;
  const HealthFigures ended = growth(counted, std::exchange(series.counted, counted));
  const auto change = series.health.add(ended, snapshot.uptime, limits_);
  if (!change) return;
  changes.push_back({.key = key, .change = *change, .times = series.health.told(snapshot).times});
}

void Health::describe(ipc::Snapshot& snapshot) const {
  for (ipc::FilterStats& filter : snapshot.filters) {
    if (filter.removed) continue;
    const auto known = series_.find(filter.name);
    const bool same = known != series_.end() && known->second.identity == identity_of(filter);
    // One that came within the last second has nothing to tell yet.
    filter.health = same ? known->second.health.told(snapshot) : ipc::FilterHealth{};
  }
}

}  // namespace tcpeek::engine
