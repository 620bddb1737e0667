// Written directly as text: there may be very many of these, and building a tree for each is slow.
#include "ipc/outcome_event.h"

#include <algorithm>
#include <utility>

#include "ipc/json_text.h"
#include "ipc/json_writer.h"

namespace tcpeek::ipc {
namespace {

constexpr std::size_t kUsualOutcomeBytes = 1024;

void write_endpoint(JsonWriter& json, std::string_view name, const EventEndpoint& end) {
  json.object(name, [&] {
    json.member("address", end.address);
    json.member("port", end.port);
  });
}

void write_legs(JsonWriter& json, const OutcomeEvent& event) {
  json.object("legs_seconds", [&] {
    if (!event.legs) {
      json.null_member("syn_to_synack");
      json.null_member("synack_to_ack");
      return;
    }
    json.member("syn_to_synack", event.legs->responder);
    json.member("synack_to_ack", event.legs->initiator);
  });
}

void write_isns(JsonWriter& json, const OutcomeEvent& event) {
  json.object("isn", [&] {
    json.member("initiator", event.isn);
    if (event.responder_isn) {
      json.member("responder", *event.responder_isn);
    } else {
      json.null_member("responder");
    }
  });
}

// What only some outcomes have.
void write_evidence(JsonWriter& json, const OutcomeEvent& event) {
  if (event.rst) {
    json.object("rst", [&] {
      json.member("sender", event.rst->sender);
      json.member("hop_limit", event.rst->hop_limit);
    });
  }
  if (event.icmp) {
    json.object("icmp", [&] {
      json.member("type", event.icmp->type);
      json.member("code", event.icmp->code);
      json.member("reason", event.icmp->reason);
      json.member("router", event.icmp->router);
    });
  }
}

// https://opentelemetry.io/docs/specs/semconv/registry/attributes/: client, server, network, error.
void write_opentelemetry(JsonWriter& json, const OutcomeEvent& event) {
  const bool v6 = event.responder.address.find(':') != std::string::npos;
  json.member("client.address", event.initiator.address);
  json.member("client.port", event.initiator.port);
  json.member("server.address", event.responder.address);
  json.member("server.port", event.responder.port);
  json.member("network.transport", std::string_view("tcp"));
  json.member("network.type", std::string_view(v6 ? "ipv6" : "ipv4"));
  json.member("network.interface.name", event.interface);
  if (!event.error_type.empty()) json.member("error.type", event.error_type);
}

void write_event(JsonWriter& json, const OutcomeEvent& event) {
  json.time_member("time", event.first_syn);
  json.member("duration_seconds", std::max(event.duration, std::chrono::microseconds::zero()));
  write_endpoint(json, "initiator", event.initiator);
  write_endpoint(json, "responder", event.responder);
  json.member("result", event.result);
  json.member("cause", event.cause);
  json.member("uncertain", event.uncertain);
  json.member("half_seen", event.half_seen);
  json.member("late_proof", event.late_proof);
  json.member("tries", event.dup_syn + 1);
  json.member("tried_seconds", event.tried);
  json.member("dup_syn", event.dup_syn);
  json.member("dup_synack", event.dup_synack);
  write_legs(json, event);
  write_isns(json, event);
  write_evidence(json, event);
  json.member("interface", event.interface);
  json.raw_member("filters", event.filters->json());
  write_opentelemetry(json, event);
}

}  // namespace

std::string to_json_line(const OutcomeEvent& event, std::optional<EventStamp> stamp,
                         std::string room) {
  JsonWriter json(kUsualOutcomeBytes, std::move(room));
  json.object([&] {
    json.member("event", std::string_view("outcome"));
    if (stamp) {
      json.member("boot", stamp->boot);
      json.member("seq", stamp->seq);
    }
    write_event(json, event);
  });
  return std::move(json).take();
}

}  // namespace tcpeek::ipc
