// Which count of a filter's an outcome belongs to: by its cause, by what an ICMP error said, by the pattern it is part
// of, and by which SYN got through.
//
// Thread contract: pure functions. Inline, as every outcome asks.
#pragma once

#include <cstdint>

#include "engine/pipeline/pattern.h"
#include "flowtable/icmp_error.h"
#include "flowtable/outcome.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

[[nodiscard]] inline ipc::Tally tally_of(flowtable::Cause cause) noexcept {
  switch (cause) {
    case flowtable::Cause::none:
      return ipc::Tally::success;
    case flowtable::Cause::refused:
      return ipc::Tally::refused;
    case flowtable::Cause::reset:
      return ipc::Tally::reset;
    case flowtable::Cause::aborted:
      return ipc::Tally::aborted;
    case flowtable::Cause::half_open:
      return ipc::Tally::half_open;
    case flowtable::Cause::probe:
      return ipc::Tally::probe;
    case flowtable::Cause::no_answer:
      return ipc::Tally::timed_out_no_answer;
    case flowtable::Cause::no_ack:
      return ipc::Tally::timed_out_no_ack;
    case flowtable::Cause::superseded:
      return ipc::Tally::superseded;
    case flowtable::Cause::unreachable:
      return ipc::Tally::unreachable;
    case flowtable::Cause::evicted:
      return ipc::Tally::evicted;
    case flowtable::Cause::pending:
      return ipc::Tally::pending;
  }
  __builtin_unreachable();
}

[[nodiscard]] inline ipc::Tally tally_of(const flowtable::IcmpError* error) noexcept {
  if (error == nullptr) return ipc::Tally::unreachable_unknown;
  switch (flowtable::reason_of(*error)) {
    case flowtable::Unreachable::no_route:
      return ipc::Tally::unreachable_no_route;
    case flowtable::Unreachable::host:
      return ipc::Tally::unreachable_host;
    case flowtable::Unreachable::protocol:
      return ipc::Tally::unreachable_protocol;
    case flowtable::Unreachable::port:
      return ipc::Tally::unreachable_port;
    case flowtable::Unreachable::prohibited:
      return ipc::Tally::unreachable_prohibited;
    case flowtable::Unreachable::hop_limit:
      return ipc::Tally::unreachable_hop_limit;
    case flowtable::Unreachable::bad_header:
      return ipc::Tally::unreachable_bad_header;
    case flowtable::Unreachable::source_route:
      return ipc::Tally::unreachable_source_route;
    case flowtable::Unreachable::other:
      return ipc::Tally::unreachable_other;
  }
  __builtin_unreachable();
}

[[nodiscard]] inline ipc::Tally tally_of(Pattern pattern) noexcept {
  switch (pattern) {
    case Pattern::none:  // is none to count
    case Pattern::stuck_tuple:
      return ipc::Tally::stuck_tuple;
    case Pattern::ecn_black_hole:
      return ipc::Tally::ecn_black_hole;
    case Pattern::fast_open_black_hole:
      return ipc::Tally::fast_open_black_hole;
  }
  __builtin_unreachable();
}

[[nodiscard]] inline ipc::Tally tally_of_syn(std::uint8_t dup_syns) noexcept {
  if (dup_syns == 1) return ipc::Tally::success_second_syn;
  return dup_syns == 2 ? ipc::Tally::success_third_syn : ipc::Tally::success_later_syn;
}

}  // namespace tcpeek::engine
