#include "ipc/failure_json.h"

namespace tcpeek::ipc {

void write_failures(JsonWriter& json, const TopFailures& failures) {
  json.object("failure", [&] {
    json.member("total", failures.total);
    write_causes(json, failures.causes);
  });
}

void write_causes(JsonWriter& json, const FailureCounts& failures) {
  json.member("refused", failures.refused);
  json.member("reset", failures.reset);
  json.member("aborted", failures.aborted);
  json.member("half_open", failures.half_open);
  json.member("probe", failures.probe);
  json.member("no_answer", failures.no_answer);
  json.member("no_ack", failures.no_ack);
  json.member("superseded", failures.superseded);
  json.member("unreachable", failures.unreachable);
}

}  // namespace tcpeek::ipc
