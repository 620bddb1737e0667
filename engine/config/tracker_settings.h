// The configuration of one reader's tracker, for live capture and for capture files.
//
// Thread contract: any thread.
#pragma once

#include <cstdint>
#include <random>

#include "engine/config/options.h"
#include "engine/config/random_keys.h"
#include "flowtable/tracker_types.h"

namespace tcpeek::engine {

// `sessions`: this reader's share of --max-sessions, as engine/config/sizing.h chose it.
[[nodiscard]] inline flowtable::TrackerConfig tracker_config(const Options& options,
                                                             std::uint64_t sessions,
                                                             std::random_device& device) {
  return {.capacity = sessions,
          .timeout = options.timeout,
          .copy_window = options.copy_window,
          .secret = random_secret(device)};
}

}  // namespace tcpeek::engine
