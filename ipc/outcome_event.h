// One finished attempt as it is reported: a line of `--output json` and of the stream of WATCH. Plain data;
// addresses and filter names are already text.
//
// Thread contract: plain values; the writer is a pure function.
//
//   event             "outcome"
//   boot, seq         which event it is (event_log.h); not of a capture file
//   time              RFC 3339, UTC, microseconds: the first SYN
//   duration_seconds  first SYN to outcome, six decimals, never negative
//   initiator, responder   address, port
//   result            success, timeout, reject, unreach; pending where a capture file ends
//   cause             empty for success; else refused, reset, aborted, half_open, probe, no_answer, no_ack,
//                     superseded, unreachable
//   tries, tried_seconds   SYNs sent, and how long after the first the last one was
//   uncertain         a timeout during which the kernel dropped packets
//   half_seen, late_proof  of a success, see Tally
//   dup_syn, dup_synack    retransmitted segments
//   legs_seconds      syn_to_synack, synack_to_ack: where the time of a success went; null if that is ambiguous
//   isn               initiator, responder: initial sequence numbers; null if it was not captured
//   rst               of one that was refused or reset: sender (unknown, responder, suspect), hop_limit
//   icmp              of one that was unreachable: type, code, reason, router
//   interface         that saw the first SYN
//   filters           names of all that matched
//   client.address, client.port, server.address, server.port, network.transport, network.type,
//   network.interface.name, error.type   the same by OpenTelemetry's names; error.type only of a failure
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/event_log.h"

namespace tcpeek::ipc {

struct EventEndpoint {
  std::string address;
  std::uint16_t port = 0;
};

struct EventLegs {
  std::chrono::microseconds responder{0};
  std::chrono::microseconds initiator{0};
};

struct EventRst {
  std::string_view sender;
  unsigned hop_limit = 0;
};

struct EventIcmp {
  unsigned type = 0;
  unsigned code = 0;
  std::string_view reason;
  std::string router;
};

struct OutcomeEvent {
  std::chrono::system_clock::time_point first_syn;
  std::chrono::microseconds duration{0};
  EventEndpoint initiator;
  EventEndpoint responder;
  std::string_view result;  // words, which outlive the event
  std::string_view cause;
  std::chrono::microseconds tried{0};
  bool uncertain = false;
  bool half_seen = false;
  bool late_proof = false;
  std::uint32_t dup_syn = 0;
  std::uint32_t dup_synack = 0;
  std::optional<EventLegs> legs;
  std::uint32_t isn = 0;
  std::optional<std::uint32_t> responder_isn;
  std::optional<EventRst> rst;
  std::optional<EventIcmp> icmp;
  std::string interface;
  SharedFilters filters;        // never null
  std::string_view error_type;  // OpenTelemetry's word for why it failed; empty: it did not
};

// One JSON object on one line, without the newline. Without a stamp it has none. `room`: see JsonWriter.
[[nodiscard]] std::string to_json_line(const OutcomeEvent& event,
                                       std::optional<EventStamp> stamp = {}, std::string room = {});

}  // namespace tcpeek::ipc
