// What happened before you came: a sample a second of ten minutes and a sample a minute of a day, for
// the totals and for each of the first 64 filters, made from snapshots alone.
//
// How it works: the difference between two snapshots, a second apart, is a sample; sums of these are the
// samples of minutes. Filters go by their name, and count anew where FilterStats::since
// says that it is another one. A filter that was removed is followed no longer, but keeps
// its samples until another needs its place; the one that went first gives way first. Snapshots that come late or not
// at all make one longer interval. Only uptimes are compared, so the wall clock may be set.
//
// Thread contract: the reactor's thread.
// Bounds: all of it at most kMostBytes, taken by the constructor but for the names of filters. Filters
// in force that there was no place for are counted (HistoryStats::filters_not_kept).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/serve/sample_ring.h"
#include "ipc/history.h"
#include "ipc/outcome_times.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

class History {
 public:
  static constexpr std::size_t kMostFilters = 64;
  static constexpr std::size_t kSeconds = 600;
  static constexpr std::size_t kMinutes = 1440;
  static constexpr std::size_t kMostBytes = std::size_t{8} << 20;

  History();

  // Once a second, or as often as there is a snapshot: more often is not kept apart.
  void on_second(const ipc::Snapshot& snapshot);

  // What is known, as of `now`: no farther back than `back`.
  [[nodiscard]] ipc::HistoryReport report(const ipc::Snapshot& now,
                                          std::optional<std::chrono::seconds> back) const;

  [[nodiscard]] ipc::HistoryStats stats() const noexcept;
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  using Uptime = SampleRing::Uptime;

  // A row of samples, and what the next one is made from. The first one is that of the totals.
  struct Series {
    std::string name;
    std::string expression;
    std::uint32_t since = 0;  // FilterStats::since
    bool used = false;
    bool in_force = false;
    bool in_minute = false;  // in this row of minutes
    Uptime last_in_force{0};
    ipc::Counts before;  // in the last snapshot
    ipc::Counts minute;  // since the last row of minutes
    ipc::OutcomeTimes times;
  };

  void mark_filters_in_force(const ipc::Snapshot& snapshot);
  void sample_filters(const ipc::Snapshot& snapshot);
  // The place of a filter, perhaps that of a removed one; none if all are of filters in force.
  [[nodiscard]] std::optional<std::size_t> place_for(const std::string& name);
  void sample(std::size_t place, const ipc::Counts& now, Uptime at);
  void sample_minute(Uptime at);
  [[nodiscard]] ipc::HistorySeries report_series(std::size_t place, const ipc::Snapshot& now,
                                                 const std::vector<std::size_t>& seconds,
                                                 const std::vector<std::size_t>& minutes) const;

  SampleRing seconds_;
  SampleRing minutes_;
  std::vector<Series> series_;
  std::unordered_map<std::string, std::size_t> places_;  // by name
  std::unordered_set<std::string> not_kept_;  // names of filters in force, without a place
};

}  // namespace tcpeek::engine
