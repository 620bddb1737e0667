// How outcomes are reported, as the command line says.
//
// Thread contract: a pure function.
#pragma once

#include "engine/config/options.h"
#include "engine/output/reporter.h"

namespace tcpeek::engine {

[[nodiscard]] inline ReporterConfig reporter_config(const Options& options) {
  return {.format = options.output,
          .colour = options.colour,
          .only = options.only,
          .count = options.count,
          .quiet = options.quiet};
}

}  // namespace tcpeek::engine
