// How one series of attempts does (a filter, later a service): ok, degraded or failing, from what ended
// each second, with hysteresis.
//
// How it works: what ended is judged over the last 10 seconds if at least `min_attempts` ended then,
// else over the last minute if as many did. Where they are fewer, only what happened in a row counts.
//
//   worse, at once, and only on what ended just now:
//     failing     the share of failures exceeds `failing_percent`; with few, `failing_run` failures
//                 in a row without a success
//     degraded    the share of failures, or of successes that needed a repeat, exceeds `degraded_percent`
//   better, with at least half of `min_attempts` in the window: after 30 s in a row with less than half of
//     the share that made it so; with fewer, or if failures in a row made it so: failing becomes
//     degraded by a success, and ok by `failing_run` successes in a row
//
// "Exceeds" is by more than chance explains, two standard deviations: 15 of 20 attempts, or 532 of 1,000,
// for a limit of 50%. Else a constant load near a limit would flap where attempts are few.
//
// What has never succeeded is never_succeeded after `failing_run` failures, not failing. Nothing that
// ended changes nothing: a quiet series neither raises an alarm nor recovers.
//
// Thread contract: a plain value, of one thread. Bounded: 60 seconds of counts.
// Units: uptimes, a steady clock, which do not fall; shares in percent of what ended.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "engine/base/health_limits.h"
#include "ipc/health_stats.h"
#include "ipc/outcome_times.h"

namespace tcpeek::engine {

class SeriesHealth {
 public:
  using Uptime = std::chrono::milliseconds;

  static constexpr std::chrono::seconds kShortWindow{10};
  static constexpr std::chrono::seconds kLongWindow{60};
  static constexpr std::chrono::seconds kCalm{30};

  struct Change {
    ipc::HealthState from = ipc::HealthState::unknown;
    ipc::HealthState to = ipc::HealthState::unknown;
    ipc::HealthFigures before;       // while it was `from`, up to what is in `figures`
    ipc::HealthFigures figures;      // by which it was judged
    std::chrono::seconds window{0};  // that these are of; 0: what ended in a row
    std::optional<Uptime> lasted;    // how long it was `from`; none if that was from the start
  };

  // What ended since the last call; returns the change, if it made one.
  std::optional<Change> add(const ipc::HealthFigures& ended, Uptime now,
                            const HealthLimits& limits);

  // It succeeded before it was watched.
  void note_earlier_success(Uptime now) noexcept { times_.add({.succeeded = 1}, now); }

  [[nodiscard]] ipc::HealthState state() const noexcept { return state_; }
  // For STATS, by the wall clock of `now`.
  [[nodiscard]] ipc::FilterHealth told(const ipc::UptimeClock& now) const;

 private:
  // A second of what ended.
  struct Second {
    std::uint32_t succeeded = 0;
    std::uint32_t failed = 0;
    std::uint32_t retried = 0;
  };
  // By what is judged now.
  struct Evidence {
    ipc::HealthFigures figures;
    std::chrono::seconds window{0};
    bool enough = false;  // min_attempts ended
    bool half = false;    // half of them did
  };

  void count(const ipc::HealthFigures& ended, Uptime now);
  [[nodiscard]] ipc::HealthFigures sum(std::chrono::seconds window) const noexcept;
  [[nodiscard]] Evidence evidence(const HealthLimits& limits) const noexcept;
  [[nodiscard]] ipc::HealthState judge(const ipc::HealthFigures& ended, const Evidence& evidence,
                                       Uptime now, const HealthLimits& limits) noexcept;
  [[nodiscard]] ipc::HealthState better(const Evidence& evidence, Uptime now,
                                        const HealthLimits& limits) noexcept;
  Change change_to(ipc::HealthState state, Evidence evidence, Uptime now);

  std::array<Second, kLongWindow.count()> seconds_{};  // by uptime, modulo their number
  std::int64_t newest_ = 0;                            // second of the uptime
  std::uint64_t failures_in_a_row_ = 0;                // without a success
  std::uint64_t successes_in_a_row_ = 0;
  ipc::OutcomeTimes times_;

  ipc::HealthState state_ = ipc::HealthState::unknown;
  std::optional<Uptime> since_;
  std::optional<Uptime> calm_since_;
  bool by_run_ = false;          // failures in a row made it so, not a share
  ipc::HealthFigures in_state_;  // ended since then
  ipc::HealthState before_ = ipc::HealthState::unknown;
  ipc::HealthFigures figures_;
  ipc::HealthFigures figures_before_;
};

}  // namespace tcpeek::engine
