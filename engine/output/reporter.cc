#include "engine/output/reporter.h"

#include <algorithm>
#include <cstdlib>

#include "engine/output/live_line.h"

namespace tcpeek::engine {
namespace {

ipc::EventEndpoint to_text(const flowtable::Endpoint& end) {
  return {to_string(Address{end.address}), end.port};
}

// https://no-color.org: any value but the empty one.
bool wants_no_colour() {
  const char* value = std::getenv("NO_COLOR");
  return value != nullptr && *value != '\0';
}

}  // namespace

Reporter::Reporter(OutputFormat format, LineWriter& standard_error, LineWriter& standard_output,
                   const FilterRegistry& filters, InterfaceName interface_name)
    : format_(format),
      standard_error_(standard_error),
      standard_output_(standard_output),
      filters_(filters),
      interface_name_(std::move(interface_name)),
      colour_(standard_error.terminal() && !wants_no_colour()) {}

void Reporter::begin() {
  if (format_ == OutputFormat::text) standard_error_.line(live_header());
}

ipc::OutcomeEvent Reporter::to_event(const Gathered& gathered) const {
  const OutcomeRecord& o = gathered.record;
  ipc::OutcomeEvent event{
      .first_syn = std::chrono::system_clock::time_point(
          std::chrono::duration_cast<std::chrono::system_clock::duration>(o.first_syn)),
      .duration = std::chrono::duration_cast<std::chrono::microseconds>(o.duration),
      .initiator = to_text(o.initiator),
      .responder = to_text(o.responder),
      .result = word(o.outcome.result()),
      .cause = word(o.outcome.cause),
      .uncertain = o.outcome.uncertain,
      .half_seen = o.outcome.half_seen,
      .late_proof = o.outcome.late_proof,
      .dup_syn = o.dup_syns,
      .dup_synack = o.dup_synacks,
      .interface = {},
      .filters = {},
  };
  if (format_ == OutputFormat::text) return event;
  event.interface = interface_name_(o.interface);
  for (const FilterId filter : gathered.filters) event.filters.push_back(filters_.name(filter));
  return event;
}

bool Reporter::tell(std::span<OutcomeQueue* const> queues, std::size_t most) {
  const bool more = gather(queues, most);
  tell_gathered();
  return more;
}

// From each queue the same share at most, so that none waits for the others.
bool Reporter::gather(std::span<OutcomeQueue* const> queues, std::size_t most) {
  const std::size_t share = most / std::max<std::size_t>(queues.size(), 1);
  const bool text = format_ == OutputFormat::text;
  bool more = false;
  Gathered next;
  for (OutcomeQueue* queue : queues) {
    std::size_t taken = 0;
    while (taken < share && gathered_.size() < most &&
           queue->pop(next.record, text ? nullptr : &next.filters)) {
      gathered_.push_back(next);
      ++taken;
    }
    more = more || taken == share;
  }
  return more || gathered_.size() >= most;
}

void Reporter::tell_gathered() {
  std::ranges::stable_sort(gathered_, {},
                           [](const Gathered& gathered) { return gathered.record.outcome.at; });
  const bool text = format_ == OutputFormat::text;
  LineWriter& writer = text ? standard_error_ : standard_output_;
  for (const Gathered& gathered : gathered_) {
    const ipc::OutcomeEvent event = to_event(gathered);
    writer.line(text ? live_line(event, gathered.record.outcome.result(), colour_)
                     : to_json_line(event));
  }
  writer.flush();
  gathered_.clear();
}

}  // namespace tcpeek::engine
