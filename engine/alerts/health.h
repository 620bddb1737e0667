// How each filter in force and each service that matters does, from snapshots and from what TOP tells: one
// SeriesHealth each, and the changes of a second.
//
// How it works: a series has a key (a filter's name, a service's direction, address and port) and an identity
// (a filter's expression and since when it counts, since when a service has been counted); one with another
// identity, or whose counts fell, begins anew. A filter that is not fed in a round is dropped, a service
// kForgotten after it was last among the foremost. A service is judged from the moment on when it is first
// fed, but what succeeded before has succeeded.
//
// Thread contract: the reactor's thread.
// Bounds: one series for each filter in force, kMostServices for services, about 1 KiB each.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/alerts/series_health.h"
#include "ipc/service_metrics.h"
#include "ipc/snapshot.h"
#include "ipc/top.h"

namespace tcpeek::engine {

struct HealthChange {
  enum class Of : std::uint8_t { filter, service };
  Of of = Of::filter;
  std::string key;
  SeriesHealth::Change change;
  ipc::SinceWhen times;
};

class Health {
 public:
  explicit Health(const HealthLimits& limits) : limits_(limits) {}

  static constexpr std::size_t kMostServices = 256;
  static constexpr std::chrono::minutes kForgotten{10};
  // From the next round on.
  void go_by(const HealthLimits& limits) noexcept { limits_ = limits; }

  // Once a second.
  [[nodiscard]] std::vector<HealthChange> on_second(const ipc::Snapshot& snapshot);
  [[nodiscard]] std::vector<HealthChange> on_services(const ipc::Top& top,
                                                      const ipc::UptimeClock& now);

  // Fills in FilterStats::health, TopServiceRow::health, ServiceMetric::health.
  void describe(ipc::Snapshot& snapshot) const;
  void describe(ipc::Top& top) const;
  // Of a local port the worst of its addresses.
  void describe(ipc::ServiceMetrics& services) const;

 private:
  struct Series {
    Series() = default;
    explicit Series(std::string of) : identity(std::move(of)) {}

    std::string identity;
    std::uint16_t local_port = 0;      // of a service whose responder is local
    ipc::HealthFigures counted;        // in the last snapshot
    std::chrono::milliseconds fed{0};  // uptime, when it was last
    SeriesHealth health;
  };
  using AllSeries = std::unordered_map<std::string, Series>;  // by key

  // Counts since the start, of a series.
  [[nodiscard]] std::optional<SeriesHealth::Change> feed(Series& series,
                                                         const ipc::HealthFigures& counted,
                                                         std::chrono::milliseconds now) const;
  [[nodiscard]] Series& service(const ipc::TopServiceRow& row, const ipc::HealthFigures& counted,
                                std::chrono::milliseconds now);
  void forget_services(std::chrono::milliseconds now);

  HealthLimits limits_;
  AllSeries filters_;
  AllSeries services_;
  ipc::UptimeClock clock_;  // of the last snapshot
};

}  // namespace tcpeek::engine
