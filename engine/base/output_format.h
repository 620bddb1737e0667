// How outcomes are printed: live lines for people, or JSON lines.
//
// Thread contract: constants.
#pragma once

#include <cstdint>

namespace tcpeek::engine {

enum class OutputFormat : std::uint8_t { text, json };

}  // namespace tcpeek::engine
