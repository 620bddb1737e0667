#include "engine/output/reporter.h"

#include <algorithm>
#include <cstdlib>

#include "engine/output/live_line.h"
#include "engine/output/terminal_line.h"

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
                   InterfaceName interface_name)
    : config_(config),
      standard_error_(standard_error),
      standard_output_(standard_output),
      filters_(filters),
      interface_name_(std::move(interface_name)),
      colour_(wants_colour(config.colour, standard_error.terminal())) {}

void Reporter::begin() {
  if (config_.quiet || config_.format != OutputFormat::text) return;
  const bool terminal = standard_error_.terminal();
  standard_error_.line(terminal ? terminal_header(standard_error_.width()) : live_header());
}

namespace {

// Where a result or its cause comes from a segment that tells more.
void add_evidence(ipc::OutcomeEvent& event, const OutcomeRecord& o) {
  using flowtable::Cause;
  if (o.has_legs) event.legs = {o.legs.syn_to_synack, o.legs.synack_to_ack};
  if (o.outcome.cause == Cause::refused || o.outcome.cause == Cause::reset)
    event.rst = {word(o.outcome.rst_sender), o.outcome.rst_hop_limit};
  if (o.has_responder_isn) event.responder_isn = o.responder_isn;
  if (o.has_error) {
    event.icmp = {.type = o.error.type,
                  .code = o.error.code,
                  .reason = word(flowtable::reason_of(o.error)),
                  .router = to_string(Address{o.error.router})};
  }
}

}  // namespace

ipc::OutcomeEvent Reporter::to_event(const Collected& collected) const {
  const OutcomeRecord& o = collected.record;
  ipc::OutcomeEvent event{
      .first_syn = std::chrono::system_clock::time_point(
          std::chrono::duration_cast<std::chrono::system_clock::duration>(o.first_syn)),
      .duration = std::chrono::duration_cast<std::chrono::microseconds>(o.duration),
      .initiator = to_text(o.initiator),
      .responder = to_text(o.responder),
      .result = word(o.outcome.result()),
      .cause = word(o.outcome.cause),
      .tried = o.tried,
      .uncertain = o.outcome.uncertain,
      .half_seen = o.outcome.half_seen,
      .late_proof = o.outcome.late_proof,
      .dup_syn = o.dup_syns,
      .dup_synack = o.dup_synacks,
      .legs = {},
      .isn = o.isn,
      .responder_isn = {},
      .rst = {},
      .icmp = {},
      .interface = {},
      .filters = {},
  };
  add_evidence(event, o);
  if (config_.format == OutputFormat::text) return event;
  event.interface = interface_name_(o.interface);
  for (const FilterId filter : collected.filters) event.filters.push_back(filters_.name(filter));
  return event;
}

bool Reporter::print(std::span<OutcomeQueue* const> queues, std::size_t most) {
  const bool more = collect(queues, most);
  print_collected();
  return more;
}

// Takes the same share of each queue at most, so that no queue waits for the others.
bool Reporter::collect(std::span<OutcomeQueue* const> queues, std::size_t most) {
  const std::size_t share = most / std::max<std::size_t>(queues.size(), 1);
  const bool text = config_.format == OutputFormat::text;
  bool more = false;
  Collected next;
  for (OutcomeQueue* queue : queues) {
    std::size_t taken = 0;
    while (taken < share && collected_.size() < most &&
           queue->pop(next.record, text ? nullptr : &next.filters)) {
      if (config_.only.has(next.record.outcome.cause)) collected_.push_back(next);
      ++taken;
    }
    more = more || taken == share;
  }
  return more || collected_.size() >= most;
}

void Reporter::print_collected() {
  std::ranges::stable_sort(collected_, {},
                           [](const Collected& collected) { return collected.record.outcome.at; });
  const bool text = config_.format == OutputFormat::text;
  LineWriter& writer = text ? standard_error_ : standard_output_;
  for (const Collected& collected : collected_) {
    if (done()) break;
    const bool ended = collected.record.outcome.cause != flowtable::Cause::pending;
    shown_ += ended ? 1 : 0;
    if (!config_.quiet) writer.line(line_of(collected));
  }
  writer.flush();
  collected_.clear();
}

std::string Reporter::line_of(const Collected& collected) const {
  const ipc::OutcomeEvent event = to_event(collected);
  const flowtable::Result result = collected.record.outcome.result();
  if (config_.format == OutputFormat::json) return to_json_line(event);
  if (!standard_error_.terminal()) return live_line(event, result, colour_);
  return terminal_line(event, result, standard_error_.width(), colour_);
}

}  // namespace tcpeek::engine
