// Short calls of the command-line parser, for its tests.
#pragma once

#include <string>
#include <vector>

#include "engine/config/options.h"

namespace tcpeek::engine {

using Arguments = std::vector<const char*>;

inline CommandLine parse(const Arguments& arguments) {
  return parse_command_line(arguments);
}

inline Options options_of(const Arguments& arguments) {
  return parse(arguments).options;
}

inline std::string message_of(const Arguments& arguments) {
  try {
    (void)parse(arguments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace tcpeek::engine
