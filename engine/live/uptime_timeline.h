// Uptimes, and the wall clock that goes with them: whatever is told by uptime (a sample of HISTORY, since when a
// service fails, when a DELTA began) has the same time in every answer.
//
// Two clocks cannot be read at one moment, so their difference is kept until it has changed by more than readings
// may differ: a step of the wall clock, which all that is told follows. The wall clock is told by whole milliseconds
// of uptime, so that rounding one cannot part it from the other.
//
// Thread contract: one thread.
#pragma once

#include <chrono>

#include "engine/pipeline/packet_timeline.h"
#include "ipc/health_stats.h"

namespace tcpeek::engine {

class UptimeTimeline {
 public:
  explicit UptimeTimeline(const ClockReading& start) noexcept : start_(start) {}

  [[nodiscard]] ipc::UptimeClock at(const ClockReading& now) noexcept {
    using std::chrono::duration_cast;
    using std::chrono::system_clock;
    const auto uptime = now.monotonic - start_.monotonic;
    const auto started = now.wall - uptime;
    if (std::chrono::abs(started - start_.wall) > kReadingsDiffer) start_.wall = started;
    const auto whole = duration_cast<std::chrono::milliseconds>(uptime);
    return {system_clock::time_point(duration_cast<system_clock::duration>(start_.wall + whole)),
            whole};
  }

 private:
  // Five times what read_clocks() takes unless the thread was stopped five times in a row.
  static constexpr std::chrono::milliseconds kReadingsDiffer{5};

  ClockReading start_;  // the start, by the wall clock as it is set now
};

}  // namespace tcpeek::engine
