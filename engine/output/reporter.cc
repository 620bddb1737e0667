#include "engine/output/reporter.h"

#include <algorithm>
#include <cstdlib>

#include "engine/output/live_line.h"

namespace tcpeek::engine {
namespace {

using flowtable::Result;
using ipc::EventCause;
using ipc::EventResult;

struct ResultAndCause {
  EventResult result;
  EventCause cause;
};

ResultAndCause translate(Result result) noexcept {
  switch (result) {
    case Result::refused:
      return {EventResult::reject, EventCause::refused};
    case Result::aborted:
      return {EventResult::reject, EventCause::aborted};
    case Result::timed_out_no_answer:
      return {EventResult::timeout, EventCause::no_answer};
    case Result::timed_out_no_ack:
      return {EventResult::timeout, EventCause::no_ack};
    case Result::unreachable:
      return {EventResult::unreach, EventCause::unreachable};
    default:
      return {EventResult::success, EventCause::none};
  }
}

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
                   const FilterMatcher& matcher, InterfaceName interface_name)
    : format_(format),
      standard_error_(standard_error),
      standard_output_(standard_output),
      matcher_(matcher),
      interface_name_(std::move(interface_name)),
      colour_(standard_error.terminal() && !wants_no_colour()) {}

void Reporter::begin() {
  if (format_ == OutputFormat::text) standard_error_.line(live_header());
}

ipc::OutcomeEvent Reporter::to_event(const Outcome& o) const {
  const auto [result, cause] = translate(o.ending.result);
  ipc::OutcomeEvent event{
      .first_syn = std::chrono::system_clock::time_point(
          std::chrono::duration_cast<std::chrono::system_clock::duration>(o.first_syn)),
      .duration = std::chrono::duration_cast<std::chrono::microseconds>(o.duration),
      .initiator = to_text(o.initiator),
      .responder = to_text(o.responder),
      .result = result,
      .cause = cause,
      .uncertain = o.ending.uncertain,
      .half_seen = o.ending.half_seen,
      .late_proof = o.ending.late_proof,
      .dup_syn = o.dup_syns,
      .dup_synack = o.dup_synacks,
      .interface = {},
      .filters = {},
  };
  if (format_ == OutputFormat::text) return event;
  event.interface = interface_name_(o.interface);
  matcher_.for_each_match(
      o.tag, o.directions, [&] { return Address{o.responder.address}; },
      [&](std::size_t filter) { event.filters.push_back(matcher_.counted()[filter].name); });
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
  bool more = false;
  Outcome outcome;
  for (OutcomeQueue* queue : queues) {
    std::size_t taken = 0;
    while (taken < share && gathered_.size() < most && queue->pop(outcome)) {
      gathered_.push_back(outcome);
      ++taken;
    }
    more = more || taken == share;
  }
  return more || gathered_.size() >= most;
}

void Reporter::tell_gathered() {
  std::stable_sort(gathered_.begin(), gathered_.end(),
                   [](const Outcome& a, const Outcome& b) { return a.ending.at < b.ending.at; });
  const bool text = format_ == OutputFormat::text;
  LineWriter& writer = text ? standard_error_ : standard_output_;
  for (const Outcome& o : gathered_) {
    const ipc::OutcomeEvent event = to_event(o);
    writer.line(text ? live_line(event, colour_) : to_json_line(event));
  }
  writer.flush();
  gathered_.clear();
}

}  // namespace tcpeek::engine
