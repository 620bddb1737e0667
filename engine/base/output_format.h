// How outcomes are printed: as live lines or as JSON lines.
//
// Thread contract: constants.
#pragma once

#include <cstdint>

namespace tcpeek::engine {

enum class OutputFormat : std::uint8_t { text, json };

}  // namespace tcpeek::engine
