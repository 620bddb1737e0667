// The member "state" of a filter or a service in JSON: how it does, since when, and how it did before.
//
// Thread contract: a pure function of its arguments, but for the writer.
#pragma once

#include "ipc/health_stats.h"
#include "ipc/json_writer.h"

namespace tcpeek::ipc {

void write_state(JsonWriter& json, const FilterHealth& health);

}  // namespace tcpeek::ipc
