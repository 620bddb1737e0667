#include "ipc/event_lines.h"

#include <fmt/format.h>

#include "ipc/json_writer.h"

namespace tcpeek::ipc {
namespace {

constexpr std::size_t kUsualBytes = 512;

void write_stamp(JsonWriter& json, std::string_view kind, EventStamp stamp) {
  json.member("event", kind);
  json.member("boot", stamp.boot);
  json.member("seq", stamp.seq);
}

}  // namespace

std::string to_json_line(EventStamp stamp, const ChangeEvent& event) {
  JsonWriter json(kUsualBytes);
  json.object([&] {
    write_stamp(json, "change", stamp);
    json.member("time", rfc3339_utc(event.time));
    json.member(event.of_service ? "service" : "filter", event.name);
    json.member("from", word(event.from));
    json.member("to", word(event.to));
    json.member("ended", event.figures.ended());
    json.member("failed", event.figures.failed);
    json.member("retried", event.figures.retried);
    json.member("window_seconds", event.window.count());
    if (event.lasted) {
      json.member("lasted_seconds", Elapsed(*event.lasted));
    } else {
      json.null_member("lasted_seconds");
    }
    json.time_member("failing_since", event.times.failing_since);
    json.time_member("last_failure", event.times.last_failure);
    json.time_member("last_success", event.times.last_success);
  });
  return std::move(json).take();
}

std::string to_json_line(EventStamp stamp, const GapEvent& event) {
  JsonWriter json(kUsualBytes);
  json.object([&] {
    write_stamp(json, "gap", stamp);
    json.member("time", rfc3339_utc(event.time));
    json.member("reason", word(event.reason));
    if (event.count) {
      json.member("count", *event.count);
    } else {
      json.null_member("count");
    }
  });
  return std::move(json).take();
}

std::string gap_line(std::uint64_t from, std::uint64_t to) {
  return fmt::format(R"({{"gap":{{"from":{},"to":{}}}}})", from, to);
}

std::string at_line(EventStamp last) {
  return fmt::format(R"({{"boot":"{}","at":{}}})", last.boot, last.seq);
}

}  // namespace tcpeek::ipc
