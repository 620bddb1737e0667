// What happened between two snapshots, as a snapshot: counters as differences; gauges, states and times as
// they are now.
//
// A filter that was not in force before, whose expression is another one, or whose counts fell, began anew: its
// counts are those since it did, and it says so (FilterStats::restarted). An interface or a reader that is
// new counts from 0. The largest latency is that of all since the start, as a difference has none.
//
// Thread contract: a pure function.
#pragma once

#include "ipc/snapshot.h"

namespace tcpeek::ipc {

[[nodiscard]] Snapshot difference(Snapshot now, const Snapshot& before);

}  // namespace tcpeek::ipc
