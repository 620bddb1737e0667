#include "ipc/top_json.h"

#include <cstddef>
#include <utility>

#include "ipc/failure_json.h"
#include "ipc/json_text.h"
#include "ipc/json_writer.h"
#include "ipc/state_json.h"
#include "ipc/top_request.h"

namespace tcpeek::ipc {
namespace {

constexpr std::size_t kUsualTopBytes = 1024;
constexpr std::size_t kUsualRowBytes = 1100;

void write_leg(JsonWriter& json, std::string_view name, const TopLeg& leg) {
  json.object(name, [&] {
    json.member("count", leg.count);
    for (const auto& [quantile, value] : {std::pair{"p50", leg.p50}, std::pair{"p99", leg.p99}}) {
      if (leg.count == 0) {
        json.null_member(quantile);
      } else {
        json.member(quantile, Elapsed(value));
      }
    }
  });
}

void write_service_counts(JsonWriter& json, const TopServiceRow& row) {
  json.member("attempts", row.attempts);
  json.member("pending", row.pending);
  json.member("retrying", row.retrying);
  json.member("retrying_dup_syn_segments", row.retrying_dup_syn_segments);
  json.member("retrying_dup_synack_segments", row.retrying_dup_synack_segments);
  json.member("success", row.success);
  json.object("failure", [&] {
    json.member("total", row.failures.total);
    write_causes(json, row.failures.causes);
    json.member("rst_suspect", row.rst_suspect);
  });
  json.member("evicted", row.evicted);
  json.member("dup_syn_segments", row.dup_syn_segments);
  json.member("dup_synack_segments", row.dup_synack_segments);
  json.member("answered_meanwhile", row.answered_meanwhile);
  json.object("patterns", [&] {
    json.member("stuck_tuple", row.stuck_tuples);
    json.member("ecn_black_hole", row.ecn_black_holes);
    json.member("fast_open_black_hole", row.fast_open_black_holes);
  });
  json.object("recent", [&] {
    json.member("attempts", row.recent_attempts);
    json.member("failures", row.recent_failures);
  });
  json.time_member("last_success", row.last_success);
  json.time_member("last_failure", row.last_failure);
  json.object("legs_seconds", [&] {
    write_leg(json, "syn_to_synack", row.syn_to_synack);
    write_leg(json, "synack_to_ack", row.synack_to_ack);
    json.member("left_out", row.legs_left_out);
  });
}

void write_service(JsonWriter& json, const TopServiceRow& row) {
  json.object("responder", [&] {
    json.member("address", row.address);
    json.member("port", row.port);
  });
  json.member("direction", row.direction());
  json.time_member("counting_since", row.counting_since);
  json.time_member("failing_since", row.failing_since);
  if (row.health) {
    write_state(json, *row.health);
  } else {
    json.null_member("state");
  }
  write_service_counts(json, row);
}

void write_peer(JsonWriter& json, const TopPeerRow& row) {
  if (!row.network.empty()) json.member("network", row.network);
  if (!row.initiator.empty()) json.member("initiator", row.initiator);
  if (!row.responder.empty()) json.member("responder", row.responder);
  json.object("recent", [&] {
    json.member("attempts", row.attempts);
    json.object("failure", [&] {
      json.member("total", row.failures.total);
      json.member("error", row.failures_error);
      write_causes(json, row.failures.causes);
    });
  });
  json.time_member("first_failure", row.first_failure);
  json.time_member("last_failure", row.last_failure);
}

void write_top(JsonWriter& json, const Top& top) {
  const bool by_service = top.request.by == TopBy::service;
  json.member("schema", kTopSchema);
  json.member("time", rfc3339_utc(top.taken));
  json.member("by", word(top.request.by));
  json.object("recent_seconds", [&] {
    json.member("min", top.recent_at_least.count());
    json.member("max", top.recent_at_most.count());
  });
  json.array("rows", [&] {
    for (const TopServiceRow& row : top.services) json.object([&] { write_service(json, row); });
    for (const TopPeerRow& row : top.peers) json.object([&] { write_peer(json, row); });
  });
  if (by_service) json.object("others", [&] { write_service_counts(json, top.others); });
  json.object("bounds", [&] {
    json.member("unlisted_recent_failures", top.unlisted_failures);
    if (by_service) {
      json.member("services", top.services_known);
      json.member("services_displaced", top.services_displaced);
    } else {
      json.member("attempts_error", top.attempts_error);
    }
  });
}

}  // namespace

std::string top_reply(const Top& top) {
  JsonWriter json(kUsualTopBytes + (top.services.size() + top.peers.size()) * kUsualRowBytes);
  json.object([&] { write_top(json, top); });
  return std::move(json).take();
}

}  // namespace tcpeek::ipc
