#include "ipc/metrics_request.h"

#include <fmt/format.h>

#include <cstddef>

#include "ipc/request.h"

namespace tcpeek::ipc {
namespace {

constexpr std::string_view kOpenMetrics = "openmetrics";
constexpr std::string_view kPrometheus = "prometheus";
constexpr std::string_view kGzip = "gzip";

MetricsMistake mistake(std::string_view argument) {
  return {
      fmt::format("METRICS: '{}' is not an argument; allowed are openmetrics or prometheus, and "
                  "gzip, each once",
                  argument.substr(0, kShownBytes))};
}

}  // namespace

std::optional<std::variant<MetricsRequest, MetricsMistake>> parse_metrics_request(
    std::string_view request) {
  const auto arguments = arguments_of(request, kMetricsWord);
  if (!arguments) return std::nullopt;
  std::string_view rest = *arguments;
  MetricsRequest metrics;
  bool form_given = false;
  for (;;) {
    const std::size_t begin = rest.find_first_not_of(kRequestBlanks);
    if (begin == std::string_view::npos) return metrics;
    rest.remove_prefix(begin);
    const std::string_view argument = rest.substr(0, rest.find_first_of(kRequestBlanks));
    rest.remove_prefix(argument.size());
    if (argument == kGzip && !metrics.gzip) {
      metrics.gzip = true;
    } else if ((argument == kOpenMetrics || argument == kPrometheus) && !form_given) {
      metrics.form = argument == kOpenMetrics ? MetricsForm::openmetrics : MetricsForm::prometheus;
      form_given = true;
    } else {
      return mistake(argument);
    }
  }
}

std::string to_line(const MetricsRequest& request) {
  const bool open = request.form == MetricsForm::openmetrics;
  return fmt::format("{} {}{}{}", kMetricsWord, open ? kOpenMetrics : kPrometheus,
                     request.gzip ? " " : "", request.gzip ? kGzip : "");
}

}  // namespace tcpeek::ipc
