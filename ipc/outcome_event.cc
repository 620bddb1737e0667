// Written directly as text: there may be very many of these, and building a tree for each is slow.
#include "ipc/outcome_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ipc/json_text.h"

namespace tcpeek::ipc {
namespace {

using Out = std::back_insert_iterator<std::string>;

void write_legs(Out out, const OutcomeEvent& event) {
  if (!event.legs) {
    fmt::format_to(out, R"(,"legs_seconds":{{"syn_to_synack":null,"synack_to_ack":null}})");
    return;
  }
  fmt::format_to(out, R"(,"legs_seconds":{{"syn_to_synack":{},"synack_to_ack":{}}})",
                 json_seconds(event.legs->responder), json_seconds(event.legs->initiator));
}

void write_isns(Out out, const OutcomeEvent& event) {
  const std::string responder =
      event.responder_isn ? fmt::format("{}", *event.responder_isn) : "null";
  fmt::format_to(out, R"(,"isn":{{"initiator":{},"responder":{}}})", event.isn, responder);
}

// What only some outcomes have.
void write_evidence(Out out, const OutcomeEvent& event) {
  if (event.rst) {
    fmt::format_to(out, R"(,"rst":{{"sender":"{}","hop_limit":{}}})", event.rst->sender,
                   event.rst->hop_limit);
  }
  if (event.icmp) {
    fmt::format_to(out, R"(,"icmp":{{"type":{},"code":{},"reason":"{}","router":{}}})",
                   event.icmp->type, event.icmp->code, event.icmp->reason,
                   json_quoted(event.icmp->router));
  }
}

}  // namespace

std::string to_json_line(const OutcomeEvent& event) {
  const auto duration = std::max(event.duration, std::chrono::microseconds::zero());
  std::string line;
  auto out = std::back_inserter(line);
  fmt::format_to(out, R"({{"time":"{}","duration_seconds":{})", rfc3339_utc(event.first_syn),
                 json_seconds(duration));
  fmt::format_to(out, R"(,"initiator":{{"address":{},"port":{}}})",
                 json_quoted(event.initiator.address), event.initiator.port);
  fmt::format_to(out, R"(,"responder":{{"address":{},"port":{}}})",
                 json_quoted(event.responder.address), event.responder.port);
  fmt::format_to(out, R"(,"result":"{}","cause":"{}")", event.result, event.cause);
  fmt::format_to(out, R"(,"uncertain":{},"half_seen":{},"late_proof":{})", event.uncertain,
                 event.half_seen, event.late_proof);
  fmt::format_to(out, R"(,"tries":{},"tried_seconds":{},"dup_syn":{},"dup_synack":{})",
                 event.dup_syn + 1, json_seconds(event.tried), event.dup_syn, event.dup_synack);
  write_legs(out, event);
  write_isns(out, event);
  write_evidence(out, event);
  fmt::format_to(out, R"(,"interface":{},"filters":[)", json_quoted(event.interface));
  for (std::size_t i = 0; i < event.filters.size(); ++i) {
    if (i != 0) line += ',';
    line += json_quoted(event.filters[i]);
  }
  line += "]}";
  return line;
}

}  // namespace tcpeek::ipc
