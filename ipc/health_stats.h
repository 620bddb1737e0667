// How a filter does, and since when, as plain data: what the reactor makes of a row of snapshots and
// STATS and HISTORY show. How it is judged: engine/alerts/series_health.h.
//
// "Failed" is refused, timed out or unreachable. An attempt that its own initiator aborted is neither a
// failure nor a success here: half-open probes, as balancers send them, end so all day long.
//
// Thread contract: plain values.
// Units: wall time, told anew for each snapshot from the steady clock, so that a step of the wall clock
// moves all of them alike. Moments are accurate to a second, the interval between two snapshots.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tcpeek::ipc {

enum class HealthState : std::uint8_t {
  unknown,          // too little has ended to say anything
  never_succeeded,  // only failures since tcpeek started: not "failing since", it may never have worked
  ok,
  degraded,
  failing,
};

[[nodiscard]] constexpr std::string_view word(HealthState state) noexcept {
  switch (state) {
    case HealthState::unknown:
      return "unknown";
    case HealthState::never_succeeded:
      return "never_succeeded";
    case HealthState::ok:
      return "ok";
    case HealthState::degraded:
      return "degraded";
    case HealthState::failing:
      return "failing";
  }
  return "";
}

// Of attempts that ended, aborted and evicted ones left out.
struct HealthFigures {
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;  // of the succeeded: after a repeated SYN or SYN/ACK

  [[nodiscard]] std::uint64_t ended() const noexcept { return succeeded + failed; }

  HealthFigures& operator+=(const HealthFigures& other) noexcept {
    succeeded += other.succeeded;
    failed += other.failed;
    retried += other.retried;
    return *this;
  }
  friend bool operator==(const HealthFigures&, const HealthFigures&) = default;
};

// Between uptimes and the wall clock as it is set now.
struct UptimeClock {
  std::chrono::system_clock::time_point taken;
  std::chrono::milliseconds uptime{0};

  // When the uptime was `at`.
  [[nodiscard]] std::chrono::system_clock::time_point time_of(
      std::chrono::milliseconds at) const noexcept {
    return taken - (uptime - at);
  }
};

struct SinceWhen {
  using Time = std::optional<std::chrono::system_clock::time_point>;

  // The first failure of a run without a success that lasts; none if nothing ever succeeded.
  Time failing_since;
  Time last_failure;
  Time last_success;
};

struct FilterHealth {
  HealthState is = HealthState::unknown;
  std::optional<std::chrono::system_clock::time_point> since;  // none while unknown
  HealthFigures figures;                                       // by which the change was judged
  HealthState before = HealthState::unknown;
  HealthFigures figures_before;  // while it was so, up to what is in `figures`
  SinceWhen times;
};

// Of the history that is kept (ipc/history.h).
struct HistoryStats {
  std::uint64_t bytes = 0;
  std::uint64_t filters = 0;
  std::uint64_t filters_not_kept = 0;  // in force, but there was no place left
  std::uint64_t services = 0;
};

}  // namespace tcpeek::ipc
