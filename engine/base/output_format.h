// How outcomes are printed: as live lines or as JSON lines, in colour or not.
//
// Thread contract: constants.
#pragma once

#include <cstdint>

namespace tcpeek::engine {

enum class ColourMode : std::uint8_t {
  automatic,  // on a terminal, unless NO_COLOR is set
  always,
  never,
};

enum class OutputFormat : std::uint8_t { text, json };

}  // namespace tcpeek::engine
