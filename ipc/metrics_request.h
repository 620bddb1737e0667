// The word METRICS and its arguments: METRICS [openmetrics|prometheus] [gzip].
//
// Pure functions, callable from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "ipc/metrics_writer.h"

namespace tcpeek::ipc {

inline constexpr std::string_view kMetricsWord = "METRICS";

struct MetricsRequest {
  MetricsForm form = MetricsForm::openmetrics;
  bool gzip = false;

  friend bool operator==(const MetricsRequest&, const MetricsRequest&) = default;
};

// What is wrong with the arguments, and what is allowed.
struct MetricsMistake {
  std::string text;
};

// None: `request`, a trimmed line, is another word.
[[nodiscard]] std::optional<std::variant<MetricsRequest, MetricsMistake>> parse_metrics_request(
    std::string_view request);

// The line that asks for it.
[[nodiscard]] std::string to_line(const MetricsRequest& request);

}  // namespace tcpeek::ipc
