// Events other than outcomes as JSON, and what a watcher is told beside events.
//
// Each is one object on one line, without the newline. An event has `event` (change, gap; an outcome is in
// outcome_event.h), `boot` and `seq`.
//
//   change    time, filter or service, from, to (states of ipc/health_stats.h), ended, failed, retried: by which it was
//             judged; window_seconds: of these, 0 for what ended in a row; lasted_seconds: how long it was
//             `from`, null from the start; failing_since, last_failure, last_success
//   gap       time, reason, count
//   {"gap":{"from":…,"to":…}}   events that this watcher was not told: they came too fast, or are not kept
//   {"boot":…,"at":…}           all events up to that number have been told, or were not asked for
//
// Thread contract: plain values, pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/event_log.h"
#include "ipc/health_stats.h"

namespace tcpeek::ipc {

struct ChangeEvent {
  std::chrono::system_clock::time_point time;
  std::string_view name;
  bool of_service = false;  // not of a filter
  HealthState from = HealthState::unknown;
  HealthState to = HealthState::unknown;
  HealthFigures figures;
  std::chrono::seconds window{0};
  std::optional<std::chrono::milliseconds> lasted;
  SinceWhen times;
};

// Why something is not known.
enum class GapReason : std::uint8_t {
  queue_full,  // outcomes were counted, but came faster than they could be told
  capture,     // packets that might have decided an attempt were lost
  unwatched,   // nobody was there to be told: outcomes since the event before have no number
};

[[nodiscard]] constexpr std::string_view word(GapReason reason) noexcept {
  switch (reason) {
    case GapReason::queue_full:
      return "queue_full";
    case GapReason::capture:
      return "capture";
    case GapReason::unwatched:
      return "unwatched";
  }
  return "";
}

struct GapEvent {
  std::chrono::system_clock::time_point time;  // when it was noticed
  GapReason reason = GapReason::capture;
  std::optional<std::uint64_t> count;  // outcomes or packets; none if that is not known
};

[[nodiscard]] std::string to_json_line(EventStamp stamp, const ChangeEvent& event);
[[nodiscard]] std::string to_json_line(EventStamp stamp, const GapEvent& event);

[[nodiscard]] std::string gap_line(std::uint64_t from, std::uint64_t to);
[[nodiscard]] std::string at_line(EventStamp last);

}  // namespace tcpeek::ipc
