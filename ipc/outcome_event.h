// One finished attempt as it is reported: a line of `--output json`, and later of the stream of WATCH.
// Plain data; addresses and filter names are already text.
//
// Thread contract: plain values; the writer is a pure function.
//
//   time              RFC 3339, UTC, microseconds: the first SYN
//   duration_seconds  first SYN to outcome, six decimals, never negative
//   initiator, responder   address, port
//   result            success, timeout, reject, unreach
//   cause             empty for success; else refused, aborted, no_answer, no_ack, unreachable
//   uncertain         a timeout during which the kernel dropped packets
//   half_seen, late_proof  of a success, see Tally
//   dup_syn, dup_synack    retransmitted segments
//   interface         that saw the first SYN
//   filters           names of all that matched
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tcpeek::ipc {

struct EventEndpoint {
  std::string address;
  std::uint16_t port = 0;
};

struct OutcomeEvent {
  std::chrono::system_clock::time_point first_syn;
  std::chrono::microseconds duration{0};
  EventEndpoint initiator;
  EventEndpoint responder;
  std::string_view result;  // words, which outlive the event
  std::string_view cause;
  bool uncertain = false;
  bool half_seen = false;
  bool late_proof = false;
  std::uint32_t dup_syn = 0;
  std::uint32_t dup_synack = 0;
  std::string interface;
  std::vector<std::string> filters;
};

// One JSON object on one line, without the newline.
[[nodiscard]] std::string to_json_line(const OutcomeEvent& event);

}  // namespace tcpeek::ipc
