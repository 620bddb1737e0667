// The totals that EXPLAIN tells, and what makes them uncertain, from a snapshot.
//
// Thread contract: a pure function.
#pragma once

#include "engine/explain/explain_input.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

void add_totals(ExplainInput& input, const ipc::Snapshot& snapshot);

}  // namespace tcpeek::engine
