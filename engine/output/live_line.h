// The live lines of the terminal, in the original's columns (tcpeek(8), OUTPUT). Pure: values in, text
// out.
//
// An IPv6 address widens its column; nothing else changes.
#pragma once

#include <string>

#include "flowtable/outcome.h"
#include "ipc/outcome_event.h"

namespace tcpeek::engine {

// One line taken apart: what stands between its vertical lines.
struct LiveColumns {
  std::string time;
  std::string stamp;
  std::string ends;
  std::string result;
  std::string duplicates;
};
[[nodiscard]] LiveColumns live_column_names();
[[nodiscard]] LiveColumns live_columns(const ipc::OutcomeEvent& event, flowtable::Result result);

// The two lines above the first outcome.
[[nodiscard]] std::string live_header();

// Local time, as in the original. `colour` highlights the result, for terminals.
[[nodiscard]] std::string live_line(const ipc::OutcomeEvent& event, flowtable::Result result,
                                    bool colour);

}  // namespace tcpeek::engine
