#include "ipc/metrics_writer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ipc/json_text.h"

namespace tcpeek::ipc {
namespace {

std::string_view word(MetricType type, MetricsForm form) noexcept {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      return "histogram";
    case MetricType::summary:
      return "summary";
    case MetricType::info:
      return form == MetricsForm::openmetrics ? "info" : "gauge";
  }
  return "";
}

constexpr std::string_view kSeconds = "seconds";

}  // namespace

// JSON's quoting knows more escapes than these forms, in which only those of backslash, quote and line feed
// are any: the others stay as text.
std::string label(std::string_view name, std::string_view value) {
  std::string text(name);
  text += '=';
  const std::string quoted = json_quoted(value);
  for (std::size_t i = 0; i < quoted.size(); ++i) {
    text += quoted[i];
    if (quoted[i] != '\\') continue;
    const char escaped = quoted[++i];
    if (escaped != '\\' && escaped != '"' && escaped != 'n') text += '\\';
    text += escaped;
  }
  return text;
}

std::string_view MetricsWriter::type_suffix() const noexcept {
  switch (type_) {
    case MetricType::counter:
      return "_total";
    case MetricType::info:
      return "_info";
    case MetricType::gauge:
    case MetricType::histogram:
    case MetricType::summary:
      return "";
  }
  return "";
}

void MetricsWriter::family(std::string_view name, MetricType type, std::string_view help) {
  name_ = name;
  type_ = type;
  // OpenMetrics names the family, the older form what its samples are called.
  const std::string_view suffix = form_ == MetricsForm::openmetrics ? "" : type_suffix();
  const auto line = [&](std::string_view what, std::string_view text) {
    fmt::format_to(std::back_inserter(text_), "# {} {}{} {}\n", what, name, suffix, text);
  };
  line("TYPE", word(type, form_));
  if (form_ == MetricsForm::openmetrics && name.ends_with(kSeconds)) line("UNIT", kSeconds);
  line("HELP", help);
}

void MetricsWriter::sample(std::uint64_t value, std::string_view labels, std::string_view more,
                           std::string_view example, std::chrono::system_clock::time_point when) {
  if (form_ != MetricsForm::openmetrics) return sample(value, labels, more);
  begin_sample(type_suffix(), labels, more);
  append(value);
  text_ += " # {";
  text_ += example;
  text_ += "} 1 ";
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch()).count();
  append_seconds(static_cast<std::uint64_t>(std::max<std::int64_t>(since_epoch, 0)));
  text_ += '\n';
}

void MetricsWriter::seconds(std::string_view suffix, std::uint64_t microseconds,
                            std::string_view labels, std::string_view more) {
  begin_sample(suffix, labels, more);
  append_seconds(microseconds);
  text_ += '\n';
}

void MetricsWriter::append_seconds(std::uint64_t microseconds) {
  constexpr std::uint64_t kPerSecond = 1'000'000;
  fmt::format_to(std::back_inserter(text_), "{}.{:06}", microseconds / kPerSecond,
                 microseconds % kPerSecond);
}

std::string MetricsWriter::take() && {
  if (form_ == MetricsForm::openmetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace tcpeek::ipc
