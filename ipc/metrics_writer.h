// Writes metrics as text, one family after the other, in one of two forms: OpenMetrics 1.0 or the older
// text form of Prometheus (0.0.4).
//
// The caller names a family, then gives its samples; what the two forms do differently (where `_total` and
// `_info` go, which types there are, units, exemplars, the last line) is done here. Names and help texts are
// our own literals, written as they are; label values from elsewhere go through label().
//
// Thread contract: a plain value, of one thread.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tcpeek::ipc {

enum class MetricsForm : std::uint8_t { openmetrics, prometheus };

enum class MetricType : std::uint8_t { counter, gauge, histogram, summary, info };

// `name="value"`, the value escaped. Bytes that are no UTF-8 become U+FFFD; what a terminal would obey is
// shown as \u and its number.
[[nodiscard]] std::string label(std::string_view name, std::string_view value);

class MetricsWriter {
 public:
  MetricsWriter(MetricsForm form, std::size_t expected_bytes) : form_(form) {
    text_.reserve(expected_bytes);
  }

  [[nodiscard]] MetricsForm form() const noexcept { return form_; }

  // Begins a family. `name` is without _total and _info. `help` is one line without backslashes. A family in
  // seconds says so by its name.
  void family(std::string_view name, MetricType type, std::string_view help);

  // A sample of a counter, a gauge or an info. `labels` are `name="value"` with commas between; `more` follow.
  void sample(std::uint64_t value, std::string_view labels = {}, std::string_view more = {}) {
    begin_sample(type_suffix(), labels, more);
    append(value);
    text_ += '\n';
  }
  // The same with an example (OpenMetrics alone; a counter). `example`: its labels.
  void sample(std::uint64_t value, std::string_view labels, std::string_view more,
              std::string_view example, std::chrono::system_clock::time_point when);
  // A sample of the family with a suffix of its own, "_bucket".
  void sample_of(std::string_view suffix, std::uint64_t value, std::string_view labels,
                 std::string_view more = {}) {
    begin_sample(suffix, labels, more);
    append(value);
    text_ += '\n';
  }
  // In seconds.
  void seconds(std::string_view suffix, std::uint64_t microseconds, std::string_view labels = {},
               std::string_view more = {});

  // A moment, in seconds since 1970: to the second, as it is told anew each time from the steady clock.
  void time(std::chrono::system_clock::time_point at, std::string_view labels = {}) {
    const auto s = std::chrono::round<std::chrono::seconds>(at.time_since_epoch()).count();
    sample(s > 0 ? static_cast<std::uint64_t>(s) : 0, labels);
  }

  // The whole text.
  [[nodiscard]] std::string take() &&;

 private:
  [[nodiscard]] std::string_view type_suffix() const noexcept;
  void begin_sample(std::string_view suffix, std::string_view labels, std::string_view more) {
    text_ += name_;
    text_ += suffix;
    if (!labels.empty() || !more.empty()) {
      text_ += '{';
      text_ += labels;
      if (!labels.empty() && !more.empty()) text_ += ',';
      text_ += more;
      text_ += '}';
    }
    text_ += ' ';
  }
  void append(std::uint64_t value) {
    const fmt::format_int digits(value);
    text_.append(digits.data(), digits.size());
  }
  void append_seconds(std::uint64_t microseconds);

  MetricsForm form_;
  std::string text_;
  std::string_view name_;  // of the current family
  MetricType type_ = MetricType::gauge;
};

}  // namespace tcpeek::ipc
