// From when on a filter is degraded or failing, as the command line has it. How these are used:
// engine/alerts/series_health.h.
//
// Thread contract: a plain value.
#pragma once

#include <cstdint>

namespace tcpeek::engine {

struct HealthLimits {
  unsigned failing_percent = 50;    // of what ended
  unsigned degraded_percent = 10;   // likewise; at most failing_percent
  std::uint64_t min_attempts = 20;  // ended: with fewer no share is computed
  std::uint64_t failing_run = 3;    // then so many failures in a row are failing
};

}  // namespace tcpeek::engine
