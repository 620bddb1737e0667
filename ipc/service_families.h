// The families of METRICS that have a sample for each service that is listed.
//
// Pure functions, callable from any thread.
#pragma once

#include "ipc/metrics_writer.h"
#include "ipc/service_metrics.h"

namespace tcpeek::ipc {

void write_service_metrics(MetricsWriter& out, const ServiceMetrics& services);

}  // namespace tcpeek::ipc
