// Members that the replies to TOP and EXPLAIN have in common.
//
// Pure functions, callable from any thread.
#pragma once

#include <string_view>

#include "ipc/json_writer.h"
#include "ipc/top.h"

namespace tcpeek::ipc {

// "failure": its total, and by cause.
void write_failures(JsonWriter& json, const TopFailures& failures);
void write_causes(JsonWriter& json, const FailureCounts& failures);

}  // namespace tcpeek::ipc
