// The families of METRICS about accept queues: signs of a full one by local port, and what the kernel counts.
//
// A port has samples if it is a listed service or has signs now; without signs they are 0, so that a panel has no holes.
// Addresses are no labels: of a port with several the worst is told, and counts are sums.
//
// Bounded: a sample of each family for each listed local service and Queues::kMost more at most.
//
// Pure functions, callable from any thread.
#pragma once

#include "ipc/metrics_writer.h"
#include "ipc/queue_stats.h"
#include "ipc/service_metrics.h"

namespace tcpeek::ipc {

void write_queue_metrics(MetricsWriter& out, const Queues& queues, const ServiceMetrics& services);

}  // namespace tcpeek::ipc
