// How each filter in force does, from snapshots alone: one SeriesHealth each, and the changes of a second.
//
// How it works: a series has a key (a filter's name) and an identity (its expression and since when it
// counts); one that is not
// fed in a round is dropped, and one with another identity, or whose counts fell, begins anew. Services
// can be fed beside the filters, under keys of their own.
//
// Thread contract: the reactor's thread.
// Bounds: one series for each filter in force, about 1 KiB each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/alerts/series_health.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

struct HealthChange {
  std::string key;
  SeriesHealth::Change change;
  ipc::SinceWhen times;
};

class Health {
 public:
  explicit Health(const HealthLimits& limits) : limits_(limits) {}

  // From the next round on.
  void go_by(const HealthLimits& limits) noexcept { limits_ = limits; }

  // Once a second.
  [[nodiscard]] std::vector<HealthChange> on_second(const ipc::Snapshot& snapshot);

  // Fills in FilterStats::health.
  void describe(ipc::Snapshot& snapshot) const;

 private:
  struct Series {
    std::string identity;
    ipc::HealthFigures counted;  // in the last snapshot
    std::uint64_t round = 0;     // when it was fed last
    SeriesHealth health;
  };

  // Counts since the start, of the series with this key.
  void feed(const std::string& key, const std::string& identity, const ipc::HealthFigures& counted,
            const ipc::Snapshot& snapshot, std::vector<HealthChange>& changes);

  HealthLimits limits_;
  std::unordered_map<std::string, Series> series_;  // by key
  std::uint64_t round_ = 0;
};

}  // namespace tcpeek::engine
