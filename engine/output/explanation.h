// What EXPLAIN tells as text for people: one finding, and the page of --explain. Whoever else words a finding
// follows finding_lines().
//
// Thread contract: pure functions. Times are local.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ipc/explain.h"

namespace tcpeek::engine {

// The sentence, and below it, indented: since when, evidence, limits, what to run next, the rule.
[[nodiscard]] std::vector<std::string> finding_lines(const ipc::Finding& finding,
                                                     std::size_t number);

// Several lines, without the last newline.
[[nodiscard]] std::string explanation_page(const ipc::Explanation& explanation);

}  // namespace tcpeek::engine
