// A reader's tracker as the command line has it, for live capture and for capture files.
//
// Thread contract: any thread.
#pragma once

#include <cstdint>
#include <random>

#include "engine/config/options.h"
#include "engine/config/random_keys.h"
#include "flowtable/tracker_types.h"

namespace tcpeek::engine {

// --max-sessions is for all readers together; each gets its share, rounded up.
[[nodiscard]] constexpr std::uint64_t sessions_each(std::uint64_t max_sessions,
                                                    unsigned readers) noexcept {
  return (max_sessions + readers - 1) / readers;
}

[[nodiscard]] inline flowtable::TrackerConfig tracker_config(const Options& options,
                                                             unsigned readers,
                                                             std::random_device& device) {
  return {.capacity = sessions_each(options.max_sessions.value_or(1'000'000), readers),
          .timeout = options.timeout,
          .copy_window = options.copy_window,
          .secret = random_secret(device)};
}

}  // namespace tcpeek::engine
