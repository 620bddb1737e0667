// Since when something fails: the moments of its last success and last failure, and the beginning of
// the run of failures that lasts. Fed with what ended in each interval; as the order within one is not
// known, an interval with a success in it ends a run and begins none.
//
// Thread contract: a plain value.
// Units: moments are uptimes of snapshots: a steady clock.
#pragma once

#include <chrono>
#include <optional>

#include "ipc/health_stats.h"

namespace tcpeek::ipc {

class OutcomeTimes {
 public:
  void add(const HealthFigures& ended, std::chrono::milliseconds at) noexcept {
    if (ended.failed != 0) {
      last_failure_ = at;
      if (!run_since_) run_since_ = at;
    }
    if (ended.succeeded != 0) {
      last_success_ = at;
      run_since_.reset();
    }
  }

  [[nodiscard]] bool has_succeeded() const noexcept { return last_success_.has_value(); }

  // By the wall clock of `now`.
  [[nodiscard]] SinceWhen told(const UptimeClock& now) const noexcept {
    const auto time = [&](const Uptime& at) {
      return at ? SinceWhen::Time(now.time_of(*at)) : std::nullopt;
    };
    // What never worked did not begin to fail.
    return {.failing_since = has_succeeded() ? time(run_since_) : std::nullopt,
            .last_failure = time(last_failure_),
            .last_success = time(last_success_)};
  }

 private:
  using Uptime = std::optional<std::chrono::milliseconds>;

  Uptime run_since_;
  Uptime last_failure_;
  Uptime last_success_;
};

}  // namespace tcpeek::ipc
