// The metrics of tcpeek-forward as text.
//
// Thread contract: a pure function of the counters.
#pragma once

#include <string>

#include "engine/forward/counters.h"
#include "ipc/metrics_writer.h"

namespace tcpeek::forward {

[[nodiscard]] std::string metrics_text(const Counters& counters, ipc::MetricsForm form);

}  // namespace tcpeek::forward
