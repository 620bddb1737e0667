// A moment as people read it: 2012-07-02 16:48:33, in the local zone.
//
// Thread contract: pure functions.
#pragma once

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <string>

namespace tcpeek::engine {

[[nodiscard]] inline std::string local_time(std::chrono::system_clock::time_point t) {
  // Rounded down, as a capture file may date from before 1970.
  const auto second = std::chrono::floor<std::chrono::seconds>(t);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}",
                     fmt::localtime(std::chrono::system_clock::to_time_t(second)));
}

}  // namespace tcpeek::engine
