// What is followed from second to second: the health of filters and services, the history, and what watchers
// and the log are told of both.
//
// Thread contract: the reactor's thread. What it is given outlives it.
// Bounds: those of Health, History and EventLog.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "engine/alerts/health.h"
#include "engine/alerts/health_messages.h"
#include "engine/live/top_collector.h"
#include "engine/output/log.h"
#include "engine/serve/gap_finder.h"
#include "engine/serve/history.h"
#include "ipc/event_log.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

class LiveTrends {
 public:
  LiveTrends(const HealthLimits& limits, TopCollector& top_collector, ipc::EventLog& events,
             Log& log)
      : health_(limits), top_collector_(top_collector), events_(events), log_(log) {}

  // From now on; else there is no history, as nobody could ask for it.
  [[nodiscard]] const History& keep_history() { return history_.emplace(); }

  // Once a second. `changed`: some reader has counted something since the last call.
  void on_second(const ipc::Snapshot& snapshot, bool changed);
  // Outcomes are queued from now on, those before were not.
  void tell_of_unwatched();

  // Adds what is known here.
  void describe(ipc::Snapshot& snapshot) const;
  void describe(ipc::Top& top) const { health_.describe(top); }
  void describe(ipc::ServiceMetrics& services) const { health_.describe(services); }

  [[nodiscard]] Health& health() noexcept { return health_; }

 private:
  void look_at_services(const ipc::UptimeClock& now, bool changed);
  void on_services(const ipc::UptimeClock& now);
  void tell(const std::vector<HealthChange>& changes, const ipc::UptimeClock& now);
  void tell(const ipc::GapEvent& gap);

  Health health_;
  HealthMessages health_messages_;
  std::optional<History> history_;
  GapFinder gap_finder_;
  TopCollector& top_collector_;
  ipc::EventLog& events_;
  Log& log_;
  bool services_requested_ = false;
  bool services_changed_ = false;  // since they were requested
  ipc::Top services_;              // as last told
  std::optional<std::chrono::milliseconds> services_told_;
};

}  // namespace tcpeek::engine
