// Written directly as text: there may be very many of these, and building a tree for each is slow.
#include "ipc/outcome_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ipc/json_text.h"

namespace tcpeek::ipc {
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
  fmt::format_to(out, R"(,"dup_syn":{},"dup_synack":{},"interface":{},"filters":[)", event.dup_syn,
                 event.dup_synack, json_quoted(event.interface));
  for (std::size_t i = 0; i < event.filters.size(); ++i) {
    if (i != 0) line += ',';
    line += json_quoted(event.filters[i]);
  }
  line += "]}";
  return line;
}

}  // namespace tcpeek::ipc
