// EXPLAIN: applies the rules to all services that are known, puts together what is the same, and chooses the
// few things most worth knowing.
//
// The order: what worked and does not any more; what nobody succeeds at; what fails by a tenth or more; the
// rest, and half-open scans; what is only late, or ended by its initiator. In each, the most attempts first.
//
// Thread contract: a pure function.
#pragma once

#include "engine/explain/explain_input.h"
#include "ipc/explain.h"

namespace tcpeek::engine {

[[nodiscard]] ipc::Explanation explain(const ExplainInput& input);

}  // namespace tcpeek::engine
