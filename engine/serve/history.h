// What happened before you came: a sample a second of ten minutes and a sample a minute of a day, for
// the totals, for each of the first 64 filters, and for the 32 services that matter most, made from
// snapshots and from what TOP tells.
//
// How it works: the difference between two snapshots, a second apart, is a sample; sums of these are the samples of
// minutes. Filters are known by name (FilterStats::since tells a new one of the same name apart), services by direction,
// address and port. A service loses its place to one that matters more, the one longest not among the foremost first. A
// removed filter keeps its samples until its place is needed, the one removed first giving way first. Late snapshots make
// one longer interval. Only uptimes are compared, so the wall clock may be set.
//
// Thread contract: the reactor's thread.
// Bounds: all of it at most kMostBytes, taken by the constructor but for the names of filters. Filters
// in force that there was no place for are counted (HistoryStats::filters_not_kept).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/serve/sample_ring.h"
#include "ipc/history.h"
#include "ipc/outcome_times.h"
#include "ipc/snapshot.h"
#include "ipc/top.h"

namespace tcpeek::engine {

class History {
 public:
  static constexpr std::size_t kMostFilters = 64;
  static constexpr std::size_t kMostServices = 32;
  static constexpr std::size_t kSeconds = 600;
  static constexpr std::size_t kMinutes = 1440;
  static constexpr std::size_t kMostBytes = std::size_t{8} << 20;

  History();

  // Once a second, or as often as there is a snapshot: more often is not kept apart, and false.
  bool on_second(const ipc::Snapshot& snapshot);

  // What TOP tells of services, the foremost first, once for each row that on_second() began.
  void on_services(const ipc::Top& top, const ipc::UptimeClock& now);

  // What is known, as of `now`: no farther back than `back`.
  [[nodiscard]] ipc::HistoryReport report(const ipc::Snapshot& now,
                                          std::optional<std::chrono::seconds> back) const;

  [[nodiscard]] ipc::HistoryStats stats() const noexcept;
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  using Uptime = SampleRing::Uptime;

  // A row of samples, and what the next one is made from. First those of the totals, then of filters, then of
  // services.
  struct Series {
    std::string name;
    std::string identity;     // a filter's expression, since when a service has been counted
    std::uint32_t since = 0;  // FilterStats::since
    bool used = false;
    bool in_force = false;
    bool in_minute = false;  // in this row of minutes
    Uptime last_in_force{0};
    ipc::HistoryCounts before;  // in the last snapshot
    ipc::HistoryCounts minute;  // since the last row of minutes
    ipc::OutcomeTimes times;
  };

  using Places = std::unordered_map<std::string, std::size_t>;  // by name

  void mark_filters_in_force(const ipc::Snapshot& snapshot);
  void sample_filters(const ipc::Snapshot& snapshot);
  // The place of a filter, perhaps that of a removed one; none if all are of filters in force.
  [[nodiscard]] std::optional<std::size_t> place_for(const std::string& name);
  [[nodiscard]] std::optional<std::size_t> place_for_service(const std::string& name,
                                                             bool foremost);
  // The series that has been out of force for longest, or is not used, taken over; none if all are in force.
  [[nodiscard]] std::optional<std::size_t> take_over(std::span<Series> among, Places& places,
                                                     const std::string& name);
  void sample(std::size_t place, const ipc::HistoryCounts& now, Uptime at);
  void sample_minute(Uptime at);
  [[nodiscard]] ipc::HistorySeries report_series(std::size_t place, const ipc::Snapshot& now,
                                                 const std::vector<std::size_t>& seconds,
                                                 const std::vector<std::size_t>& minutes) const;

  SampleRing seconds_;
  SampleRing minutes_;
  std::vector<Series> series_;
  Places places_;  // of filters
  Places service_places_;
  std::unordered_set<std::string> not_kept_;  // names of filters in force, without a place
};

}  // namespace tcpeek::engine
