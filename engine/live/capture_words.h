// Capture worded for the user: what the kernel lets through, and what to do when it refuses.
//
// Thread contract: pure functions.
#pragma once

#include <string>
#include <system_error>

#include "engine/live/interfaces.h"
#include "ring/capture_filter.h"

namespace tcpeek::engine {

[[nodiscard]] std::string in_words(const ring::CaptureFilter& filter);

// To be appended to what was refused; empty where nothing is known to help.
[[nodiscard]] std::string advice_for_capture(const std::error_code& code,
                                             const Interfaces& interfaces);

}  // namespace tcpeek::engine
