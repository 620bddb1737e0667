// The live lines of a terminal: the columns of live_line.h, with the cause in the place of the result, a
// success that needed a repetition told apart from a plain one, and no wider than the terminal.
//
// Where the terminal is narrower than 118 columns, columns are left out in this order: the duplicates,
// TIMESTAMP, TIME(s). The addresses and the result stay. A line that IPv6 addresses make wider than the
// terminal leaves out its duplicates, too.
//
// Thread contract: pure functions.
#pragma once

#include <cstddef>
#include <string>

#include "flowtable/outcome.h"
#include "ipc/outcome_event.h"

namespace tcpeek::engine {

inline constexpr std::size_t kFullWidth = 118;

// `width` in columns; 0: unknown, so all are shown.
[[nodiscard]] std::string terminal_header(std::size_t width);
[[nodiscard]] std::string terminal_line(const ipc::OutcomeEvent& event, flowtable::Result result,
                                        std::size_t width, bool colour);

// "success (2nd SYN)", "reject: refused", "timeout: no_answer?" for one that lost packets make uncertain;
// at most 19 characters.
[[nodiscard]] std::string result_in_words(const ipc::OutcomeEvent& event, flowtable::Result result);

}  // namespace tcpeek::engine
