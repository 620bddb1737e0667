// The reply to METRICS: everything a monitoring system should follow, as metrics. tcpeek(8) lists them all.
//
// What is a label: names of filters and interfaces, numbers of readers, our own words, ports of this host that
// serve, and remote services if they were asked for. Nothing that a wire can make many of.
//
// Filters that were removed, and only wait for their last attempts, are left out: a new one may have their name.
//
// A pure function, callable from any thread.
#pragma once

#include <string>

#include "ipc/failure_examples.h"
#include "ipc/metrics_writer.h"
#include "ipc/service_metrics.h"
#include "ipc/snapshot.h"

namespace tcpeek::ipc {

// `examples`: null where none are kept.
[[nodiscard]] std::string metrics_text(const Snapshot& snapshot, const ServiceMetrics& services,
                                       const FailureExamples* examples, MetricsForm form);

}  // namespace tcpeek::ipc
