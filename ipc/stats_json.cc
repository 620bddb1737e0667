// One function per part of the object, in the order of the table in the header.
#include "ipc/stats_json.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ipc/json_text.h"
#include "ipc/json_writer.h"
#include "ipc/state_json.h"

namespace tcpeek::ipc {
namespace {

// Of a reply without filters, and of each filter; a longer one grows once more.
constexpr std::size_t kUsualStatsBytes = 8192;
constexpr std::size_t kUsualFilterBytes = 2000;

std::string_view word(InterfaceState state) noexcept {
  switch (state) {
    case InterfaceState::up:
      return "up";
    case InterfaceState::no_carrier:
      return "no_carrier";
    case InterfaceState::down:
      return "down";
    case InterfaceState::gone:
      return "gone";
  }
  return "";
}

void write_latency(JsonWriter& json, const LatencyHistogram& latency) {
  const std::uint64_t count = latency.count();
  const auto member = [&](std::string_view name, std::chrono::microseconds value) {
    if (count == 0) return json.null_member(name);
    json.member(name, value);
  };
  const auto [p50, p90, p99, p999] =
      count == 0 ? LatencyHistogram::Quantiles() : latency.quantiles();
  json.member("count", count);
  json.member("sum", Elapsed(latency.sum_us()));
  member("p50", p50);
  member("p90", p90);
  member("p99", p99);
  member("p999", p999);
  member("max", std::chrono::microseconds(static_cast<std::int64_t>(latency.max_us())));
}

void write_legs(JsonWriter& json, const Counts& counts) {
  json.object("syn_to_synack", [&] { write_latency(json, counts.responder_leg); });
  json.object("synack_to_ack", [&] { write_latency(json, counts.initiator_leg); });
  json.member("ambiguous", counts[Tally::legs_ambiguous]);
}

// Which SYN of the successes got through; what is left of them had no repeated one.
void write_syns(JsonWriter& json, const Counts& counts) {
  json.member("second", counts[Tally::success_second_syn]);
  json.member("third", counts[Tally::success_third_syn]);
  json.member("later", counts[Tally::success_later_syn]);
}

void write_unreachable(JsonWriter& json, const Counts& counts) {
  json.member("no_route", counts[Tally::unreachable_no_route]);
  json.member("host", counts[Tally::unreachable_host]);
  json.member("protocol", counts[Tally::unreachable_protocol]);
  json.member("port", counts[Tally::unreachable_port]);
  json.member("prohibited", counts[Tally::unreachable_prohibited]);
  json.member("hop_limit", counts[Tally::unreachable_hop_limit]);
  json.member("bad_header", counts[Tally::unreachable_bad_header]);
  json.member("source_route", counts[Tally::unreachable_source_route]);
  json.member("other", counts[Tally::unreachable_other]);
  json.member("unknown", counts[Tally::unreachable_unknown]);
}

// One for each cause of failure, and nothing twice.
void write_causes(JsonWriter& json, const Counts& counts) {
  json.member("refused", counts[Tally::refused]);
  json.member("reset", counts[Tally::reset]);
  json.member("aborted", counts[Tally::aborted]);
  json.member("half_open", counts[Tally::half_open]);
  json.member("probe", counts[Tally::probe]);
  json.member("no_answer", counts[Tally::timed_out_no_answer]);
  json.member("no_ack", counts[Tally::timed_out_no_ack]);
  json.member("superseded", counts[Tally::superseded]);
  json.object("unreachable", [&] { write_unreachable(json, counts); });
}

void write_success(JsonWriter& json, const Counts& counts) {
  json.member("total", counts[Tally::success]);
  json.member("half_seen", counts[Tally::half_seen]);
  json.member("late_proof", counts[Tally::late_proof]);
  json.member("dup_syn", counts[Tally::success_dup_syn]);
  json.member("dup_synack", counts[Tally::success_dup_synack]);
  json.member("dup_syn_segments", counts[Tally::success_dup_syn_segments]);
  json.member("dup_synack_segments", counts[Tally::success_dup_synack_segments]);
  json.object("by_syn", [&] { write_syns(json, counts); });
}

void write_failure(JsonWriter& json, const Counts& counts) {
  json.member("total", counts.failures());
  json.member("refused", counts.refused());
  json.member("aborted", counts.aborted());
  json.object("timed_out", [&] {
    json.member("total", counts.timed_out());
    json.member("no_answer", counts[Tally::timed_out_no_answer]);
    json.member("no_ack", counts[Tally::timed_out_no_ack]);
    json.member("superseded", counts[Tally::superseded]);
    json.member("uncertain", counts[Tally::uncertain]);
  });
  json.member("unreachable", counts[Tally::unreachable]);
  json.member("dup_syn", counts[Tally::failure_dup_syn]);
  json.member("dup_synack", counts[Tally::failure_dup_synack]);
  json.member("dup_syn_segments", counts[Tally::failure_dup_syn_segments]);
  json.member("dup_synack_segments", counts[Tally::failure_dup_synack_segments]);
  json.object("causes", [&] { write_causes(json, counts); });
  json.member("rst_suspect", counts[Tally::rst_suspect]);
}

void write_patterns(JsonWriter& json, const Counts& counts) {
  json.member("stuck_tuple", counts[Tally::stuck_tuple]);
  json.member("ecn_black_hole", counts[Tally::ecn_black_hole]);
  json.member("fast_open_black_hole", counts[Tally::fast_open_black_hole]);
}

void write_counts(JsonWriter& json, const Counts& counts) {
  json.member("attempts", counts[Tally::attempts]);
  json.member("pending", counts[Tally::pending]);
  json.member("retrying", counts[Tally::retrying]);
  json.member("retrying_dup_syn_segments", counts[Tally::retrying_syns]);
  json.member("retrying_dup_synack_segments", counts[Tally::retrying_synacks]);
  json.object("success", [&] { write_success(json, counts); });
  json.object("failure", [&] { write_failure(json, counts); });
  json.member("evicted", counts[Tally::evicted]);
  json.member("late_synack", counts[Tally::late_synack]);
  json.object("patterns", [&] { write_patterns(json, counts); });
  json.object("latency_seconds", [&] { write_latency(json, counts.latency); });
  json.object("legs_seconds", [&] { write_legs(json, counts); });
}

void write_interface(JsonWriter& json, const InterfaceStats& interface) {
  json.member("name", interface.name);
  json.member("link_type", interface.link_type);
  json.member("up", interface.state == InterfaceState::up);
  json.member("state", word(interface.state));
  json.member("packets", interface.packets);
  json.member("dropped", interface.dropped);
  json.member("if_dropped", interface.if_dropped);
}

void write_reader(JsonWriter& json, const ReaderStats& reader) {
  json.member("id", reader.id);
  json.member("cpu", reader.cpu);
  json.member("packets", reader.packets);
  json.member("dropped", reader.dropped);
  json.member("freezes", reader.freezes);
  json.member("pending", reader.pending);
  json.member("remembered", reader.remembered);
  json.member("capacity", reader.capacity);
  json.member("mailbox_depth", reader.mailbox_depth);
  json.member("event_queue_depth", reader.event_queue_depth);
  json.member("events_lost", reader.events_lost);
}

void write_health(JsonWriter& json, const FilterHealth& health) {
  write_state(json, health);
  json.time_member("failing_since", health.times.failing_since);
  json.time_member("last_failure", health.times.last_failure);
  json.time_member("last_success", health.times.last_success);
}

void write_history(JsonWriter& json, const HistoryStats& history) {
  json.member("bytes", history.bytes);
  json.member("filters", history.filters);
  json.member("filters_not_kept", history.filters_not_kept);
  json.member("services", history.services);
}

void write_filter(JsonWriter& json, const FilterStats& filter) {
  json.member("name", filter.name);
  json.member("expression", filter.expression);
  if (filter.removed) json.member("removed", true);
  if (filter.restarted) json.member("restarted", true);
  if (filter.health) write_health(json, *filter.health);
  write_counts(json, filter.counts);
}

template <typename Number>
void write_if_known(JsonWriter& json, std::string_view name, const std::optional<Number>& value) {
  if (!value) return json.null_member(name);
  json.member(name, *value);
}

void write_port(JsonWriter& json, const QueueStats& port) {
  const auto time = [&](std::string_view name, std::int64_t ns) {
    if (ns == 0) return json.null_member(name);
    json.member(name, rfc3339_utc(std::chrono::system_clock::time_point(
                          std::chrono::duration_cast<std::chrono::system_clock::duration>(
                              std::chrono::nanoseconds(ns)))));
  };
  json.member("address", port.address);
  json.member("port", port.port);
  json.member("own", port.own);
  json.member("suspected", port.suspected);
  json.member("kernel", word(port.verdict));
  write_if_known(json, "backlog_now", port.backlog_now);
  write_if_known(json, "backlog_max", port.backlog_max);
  write_if_known(json, "overflows_last_minute", port.overflows_last_minute);
  json.member("unanswered", port.unanswered);
  json.member("answered_meanwhile", port.answered_meanwhile);
  json.member("late_synack", port.late_synacks);
  time("first_unanswered", port.first_unanswered);
  time("last_unanswered", port.last_unanswered);
}

void write_queues(JsonWriter& json, const Queues& queues) {
  json.array("ports", [&] {
    for (const QueueStats& port : queues.ports) json.object([&] { write_port(json, port); });
  });
  json.member("ports_left_out", queues.ports_left_out);
  json.member("listeners_known", queues.listeners_known);
  json.object("kernel_counters", [&] {
    json.member("known", queues.counters_known);
    json.member("listen_overflows", queues.listen_overflows);
    json.member("listen_drops", queues.listen_drops);
    json.member("syn_queue_drops", queues.syn_queue_drops);
  });
}

void write_packets(JsonWriter& json, const PacketStats& packets) {
  json.member("seen", packets.seen);
  json.member("dropped", packets.dropped);
  json.member("in_ring", packets.in_ring);
  json.member("delivered", packets.delivered);
  json.member("used", packets.used);
  json.object("ignored", [&] {
    for (const NamedCount& reason : packets.ignored) json.member(reason.name, reason.count);
  });
  json.member("in_mailboxes", packets.in_mailboxes);
  json.member("misrouted", packets.misrouted);
}

void write_clients(JsonWriter& json, const ServerStats& server) {
  json.member("clients_accepted", server.clients_accepted);
  json.member("clients_displaced", server.clients_displaced);
  json.member("accept_failures", server.accept_failures);
  json.member("requests", server.requests);
  json.member("requests_dropped", server.requests_dropped);
  json.member("replies_dropped", server.replies_dropped);
}

void write_watchers(JsonWriter& json, const ServerStats& server) {
  json.member("watchers", server.watchers);
  json.member("watchers_refused", server.watchers_refused);
  json.member("watchers_stalled", server.watchers_stalled);
}

void write_http(JsonWriter& json, const ServerStats& server) {
  write_clients(json, server);
  write_watchers(json, server);
}

void write_server(JsonWriter& json, const ServerStats& server) {
  write_clients(json, server);
  json.member("lines_lost", server.lines_lost);
  write_watchers(json, server);
  json.member("deltas_displaced", server.deltas_displaced);
}

void write_prefilter(JsonWriter& json, const PrefilterStats& prefilter) {
  json.member("mode", prefilter.mode);
  json.member("active", prefilter.active);
  if (prefilter.reason.empty()) {
    json.null_member("reason");
  } else {
    json.member("reason", prefilter.reason);
  }
  json.member("map_bytes", prefilter.map_bytes);
}

void write_identity(JsonWriter& json, std::string_view left_name, std::uint64_t left,
                    std::uint64_t right) {
  json.member(left_name, left);
  json.member("accounted", right);
  json.member("holds", left == right);
}

void write_accounting(JsonWriter& json, const Snapshot& snapshot) {
  const auto attempts = [&](const Counts& counts) {
    write_identity(json, "attempts", counts[Tally::attempts], counts.accounted());
  };
  const PacketStats& packets = snapshot.packets;
  json.object("attempts", [&] { attempts(snapshot.totals); });
  json.array("filters", [&] {
    for (const FilterStats& filter : snapshot.filters) {
      json.object([&] {
        json.member("name", filter.name);
        attempts(filter.counts);
      });
    }
  });
  json.object("seen", [&] {
    write_identity(json, "seen", packets.seen,
                   packets.delivered + packets.dropped + packets.in_ring);
  });
  json.object("delivered", [&] {
    write_identity(json, "delivered", packets.delivered,
                   packets.used + packets.ignored_total() + packets.in_mailboxes);
  });
}

// An array of objects, each written by `write`.
template <typename List, typename Write>
void write_list(JsonWriter& json, std::string_view name, const List& list, Write write) {
  json.array(name, [&] {
    for (const auto& each : list) json.object([&] { write(json, each); });
  });
}

void write_span(JsonWriter& json, const DeltaSpan& span) {
  json.member("name", span.name);
  json.member("since", rfc3339_utc(span.since));
  json.member("span_seconds", Elapsed(span.lasted));
  json.member("first", span.first);
}

// `all` is what the identities hold for.
void write_snapshot(JsonWriter& json, const Snapshot& snapshot, const Snapshot& all,
                    const DeltaSpan* span) {
  json.member("schema", kStatsSchema);
  if (span != nullptr) json.object("delta", [&] { write_span(json, *span); });
  json.member("version", snapshot.version);
  json.member("started", rfc3339_utc(snapshot.started));
  json.member("time", rfc3339_utc(snapshot.taken));
  json.member("uptime_seconds", snapshot.uptime);
  write_list(json, "interfaces", snapshot.interfaces, write_interface);
  write_list(json, "readers", snapshot.readers, write_reader);
  write_list(json, "filters", snapshot.filters, write_filter);
  json.object("totals", [&] { write_counts(json, snapshot.totals); });
  json.member("attempts_excluded", snapshot.attempts_excluded);
  json.member("attempts_not_local", snapshot.attempts_not_local);
  json.member("filter_sets_overflowed", snapshot.filter_sets_overflowed);
  json.object("copies", [&] {
    json.member("syn", snapshot.syn_copies);
    json.member("synack", snapshot.synack_copies);
  });
  json.member("late_syns", snapshot.late_syns);
  json.member("stray_syns", snapshot.stray_syns);
  json.object("packets", [&] { write_packets(json, snapshot.packets); });
  json.object("server", [&] { write_server(json, snapshot.server); });
  if (snapshot.http) json.object("http", [&] { write_http(json, *snapshot.http); });
  if (snapshot.prefilter) {
    json.object("prefilter", [&] { write_prefilter(json, *snapshot.prefilter); });
  }
  json.object("queues", [&] { write_queues(json, snapshot.queues); });
  if (snapshot.history) json.object("history", [&] { write_history(json, *snapshot.history); });
  json.object("accounting", [&] { write_accounting(json, all); });
}

}  // namespace

std::string stats_reply(const Snapshot& snapshot) {
  JsonWriter json(kUsualStatsBytes + snapshot.filters.size() * kUsualFilterBytes);
  json.object([&] { write_snapshot(json, snapshot, snapshot, nullptr); });
  return std::move(json).take();
}

std::string delta_reply(const DeltaSpan& span, const Snapshot& difference, const Snapshot& now) {
  JsonWriter json(kUsualStatsBytes + now.filters.size() * kUsualFilterBytes);
  json.object([&] { write_snapshot(json, difference, now, &span); });
  return std::move(json).take();
}

}  // namespace tcpeek::ipc
