#include "engine/output/outcome_events.h"

#include <chrono>

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using ipc::EventKind;

ipc::EventEndpoint to_text(const flowtable::Endpoint& end) {
  return {to_string(Address{end.address}), end.port};
}

// Where a result or its cause comes from a segment that tells more.
void add_evidence(ipc::OutcomeEvent& event, const OutcomeRecord& o) {
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

// As Linux maps ICMP errors (icmp_err_convert, tcp_v6_err), to the words there are.
std::string_view unreachable_type(const OutcomeRecord& outcome) noexcept {
  using flowtable::Unreachable;
  if (!outcome.has_error) return "host_unreachable";
  switch (flowtable::reason_of(outcome.error)) {
    case Unreachable::no_route:
      return "net_unreachable";
    case Unreachable::port:
      return "refused";
    case Unreachable::host:
    case Unreachable::protocol:
    case Unreachable::prohibited:
    case Unreachable::hop_limit:
    case Unreachable::bad_header:
    case Unreachable::source_route:
    case Unreachable::other:
      return "host_unreachable";
  }
  __builtin_unreachable();
}

}  // namespace

EventKind kind_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::none:
      return EventKind::success;
    case Cause::refused:
      return EventKind::refused;
    case Cause::reset:
      return EventKind::reset;
    case Cause::aborted:
      return EventKind::aborted;
    case Cause::half_open:
      return EventKind::half_open;
    case Cause::probe:
      return EventKind::probe;
    case Cause::no_answer:
      return EventKind::no_answer;
    case Cause::no_ack:
      return EventKind::no_ack;
    case Cause::superseded:
      return EventKind::superseded;
    case Cause::unreachable:
      return EventKind::unreachable;
    case Cause::evicted:
    case Cause::pending:
      return EventKind::undecided;
  }
  __builtin_unreachable();
}

std::string_view error_type(const OutcomeRecord& outcome) noexcept {
  switch (outcome.outcome.cause) {
    case Cause::none:
    case Cause::evicted:
    case Cause::pending:
      return "";
    case Cause::refused:
      return "refused";
    case Cause::reset:
    case Cause::aborted:
    case Cause::half_open:
    case Cause::probe:
      return "reset";
    case Cause::no_answer:
    case Cause::no_ack:
    case Cause::superseded:
      return "timed_out";
    case Cause::unreachable:
      return unreachable_type(outcome);
  }
  __builtin_unreachable();
}

ipc::OutcomeEvent OutcomeEvents::brief(const OutcomeRecord& o) {
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
      .error_type = {},
  };
  add_evidence(event, o);
  return event;
}

ipc::OutcomeEvent OutcomeEvents::whole(const OutcomeRecord& outcome,
                                       const std::vector<FilterId>& filters) {
  ipc::OutcomeEvent event = brief(outcome);
  event.interface = interface_name_(outcome.interface);
  event.filters = names_of(filters);
  event.error_type = error_type(outcome);
  return event;
}

ipc::SharedFilters OutcomeEvents::names_of(const std::vector<FilterId>& filters) {
  if (generation_ != filters_.generation() || shared_.size() >= kMostShared) shared_.clear();
  generation_ = filters_.generation();
  ipc::SharedFilters& shared = shared_[filters];
  if (shared == nullptr) {
    std::vector<std::string> names;
    names.reserve(filters.size());
    for (const FilterId filter : filters) names.push_back(filters_.name(filter));
    shared = ipc::filters_named(std::move(names));
  }
  return shared;
}

}  // namespace tcpeek::engine
