// tcpeek --reload: hands the options and filters of this command line, and of the file it names, to the
// tcpeek that runs, and tells what that changed.
//
// Thread contract: the main thread; it waits for the reply, kReloadPatience at most.
// Errors: std::runtime_error, worded for the user, if there is no such tcpeek or it refuses.
#pragma once

#include <chrono>
#include <string>

#include "engine/config/options.h"

namespace tcpeek::engine {

inline constexpr std::chrono::seconds kReloadPatience{10};

// What changed, in one line.
[[nodiscard]] std::string hand_over(const CommandLine& command_line);

}  // namespace tcpeek::engine
