#include "engine/output/reporter.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "engine/output/live_line.h"
#include "engine/output/terminal_line.h"
#include "ipc/outcome_event.h"

namespace tcpeek::engine {
namespace {

// https://no-color.org: any value but the empty one.
bool wants_no_colour() {
  const char* value = std::getenv("NO_COLOR");
  return value != nullptr && *value != '\0';
}

bool wants_colour(ColourMode mode, bool terminal) {
  switch (mode) {
    case ColourMode::automatic:
      return terminal && !wants_no_colour();
    case ColourMode::always:
      return true;
    case ColourMode::never:
      return false;
  }
  __builtin_unreachable();
}

}  // namespace

Reporter::Reporter(const ReporterConfig& config, LineWriter& standard_error,
                   LineWriter& standard_output, const FilterRegistry& filters,
                   OutcomeEvents::InterfaceName interface_name, ipc::EventLog* log)
    : config_(config),
      standard_error_(standard_error),
      standard_output_(standard_output),
      events_(filters, std::move(interface_name)),
      log_(log),
      colour_(wants_colour(config.colour, standard_error.terminal())) {}

void Reporter::begin() {
  if (config_.quiet || config_.format != OutputFormat::text) return;
  const bool terminal = standard_error_.terminal();
  standard_error_.line(terminal ? terminal_header(standard_error_.width()) : live_header());
}

bool Reporter::wants_json() const noexcept {
  return prints(OutputFormat::json) || failures_ != nullptr || (log_ != nullptr && log_->keeping());
}

bool Reporter::print(std::span<OutcomeQueue* const> queues, std::size_t most) {
  const bool more = collect(queues, most);
  print_collected();
  return more;
}

// Takes the same share of each queue at most, so that no queue waits for the others.
bool Reporter::collect(std::span<OutcomeQueue* const> queues, std::size_t most) {
  const std::size_t share = most / std::max<std::size_t>(queues.size(), 1);
  const bool names = wants_names();
  bool more = false;
  Collected next;
  for (OutcomeQueue* queue : queues) {
    std::size_t taken = 0;
    while (taken < share && collected_.size() < most &&
           queue->pop(next.record, names ? &next.filters : nullptr)) {
      collected_.push_back(next);
      ++taken;
    }
    more = more || taken == share;
  }
  return more || collected_.size() >= most;
}

void Reporter::print_collected() {
  const auto at = [](const Collected& collected) { return collected.record.outcome.at; };
  // One reader's outcomes mostly are in their order, and moving records to find that out is not cheap.
  if (!std::ranges::is_sorted(collected_, {}, at)) std::ranges::stable_sort(collected_, {}, at);
  for (const Collected& collected : collected_) {
    if (done()) break;
    tell(collected);
  }
  standard_error_.flush();
  standard_output_.flush();
  collected_.clear();
}

// Whoever watches is told of all, whatever is shown.
void Reporter::tell(const Collected& collected) {
  const flowtable::Cause cause = collected.record.outcome.cause;
  const bool shown = config_.only.has(cause);
  if (shown && cause != flowtable::Cause::pending) ++shown_;
  if (shown && prints(OutputFormat::text)) standard_error_.line(text_line(collected.record));
  if (wants_names()) {
    ipc::OutcomeEvent event = events_.whole(collected.record, collected.filters);
    if (redactor_ != nullptr) redactor_->event(event);
    if (examples_ != nullptr) examples_->note(event);
    if (wants_json()) return tell_as_json(collected, event, shown);
  }
  if (log_ != nullptr) log_->skip();
}

std::string Reporter::text_line(const OutcomeRecord& record) const {
  ipc::OutcomeEvent event = OutcomeEvents::brief(record);
  if (redactor_ != nullptr) redactor_->event(event);
  const flowtable::Result result = record.outcome.result();
  if (!standard_error_.terminal()) return live_line(event, result, colour_);
  return terminal_line(event, result, standard_error_.width(), colour_);
}

void Reporter::tell_as_json(const Collected& collected, const ipc::OutcomeEvent& event,
                            bool shown) {
  line_ = to_json_line(event, log_ == nullptr ? std::nullopt : std::optional(log_->stamp()),
                       std::move(line_));
  if (shown && prints(OutputFormat::json)) standard_output_.line(line_);
  const ipc::EventKind kind = kind_of(collected.record.outcome.cause);
  if (failures_ != nullptr && kind != ipc::EventKind::success &&
      kind != ipc::EventKind::undecided) {
    failures_->add(line_);
  }
  if (log_ == nullptr) return;
  if (!log_->keeping()) return log_->skip();
  log_->add({.kind = kind, .filters = event.filters, .line = line_});
}

}  // namespace tcpeek::engine
