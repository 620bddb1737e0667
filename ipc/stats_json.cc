// One function per part of the object, in the order of the table in the header.
#include "ipc/stats_json.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "ipc/json_text.h"

namespace tcpeek::ipc {
namespace {

using Json = nlohmann::ordered_json;

template <typename Rep, typename Period>
double seconds(std::chrono::duration<Rep, Period> duration) {
  return std::chrono::duration<double>(duration).count();
}

Json latency_json(const LatencyHistogram& latency) {
  const auto at = [&](double q) {
    return latency.count() == 0 ? Json(nullptr) : Json(seconds(latency.quantile(q)));
  };
  return {{"count", latency.count()}, {"sum", static_cast<double>(latency.sum_us()) / 1e6},
          {"p50", at(0.5)},           {"p90", at(0.9)},
          {"p99", at(0.99)},          {"p999", at(0.999)}};
}

Json success_json(const Counts& counts) {
  return {{"total", counts[Tally::success]},
          {"half_seen", counts[Tally::half_seen]},
          {"late_proof", counts[Tally::late_proof]},
          {"dup_syn", counts[Tally::success_dup_syn]},
          {"dup_synack", counts[Tally::success_dup_synack]},
          {"dup_syn_segments", counts[Tally::success_dup_syn_segments]},
          {"dup_synack_segments", counts[Tally::success_dup_synack_segments]}};
}

Json failure_json(const Counts& counts) {
  const Json timed_out = {{"total", counts.timed_out()},
                          {"no_answer", counts[Tally::timed_out_no_answer]},
                          {"no_ack", counts[Tally::timed_out_no_ack]},
                          {"uncertain", counts[Tally::uncertain]}};
  return {{"total", counts.failures()},
          {"refused", counts[Tally::refused]},
          {"aborted", counts[Tally::aborted]},
          {"timed_out", timed_out},
          {"unreachable", counts[Tally::unreachable]},
          {"dup_syn", counts[Tally::failure_dup_syn]},
          {"dup_synack", counts[Tally::failure_dup_synack]},
          {"dup_syn_segments", counts[Tally::failure_dup_syn_segments]},
          {"dup_synack_segments", counts[Tally::failure_dup_synack_segments]}};
}

void add_counts(Json& object, const Counts& counts) {
  object["attempts"] = counts[Tally::attempts];
  object["pending"] = counts[Tally::pending];
  object["success"] = success_json(counts);
  object["failure"] = failure_json(counts);
  object["evicted"] = counts[Tally::evicted];
  object["late_synack"] = counts[Tally::late_synack];
  object["latency_seconds"] = latency_json(counts.latency);
}

Json interfaces_json(const Snapshot& snapshot) {
  Json list = Json::array();
  for (const InterfaceStats& interface : snapshot.interfaces) {
    list.push_back({{"name", interface.name},
                    {"link_type", interface.link_type},
                    {"up", interface.up},
                    {"packets", interface.packets},
                    {"dropped", interface.dropped},
                    {"if_dropped", interface.if_dropped}});
  }
  return list;
}

Json readers_json(const Snapshot& snapshot) {
  Json list = Json::array();
  for (const ReaderStats& reader : snapshot.readers) {
    list.push_back({{"id", reader.id},
                    {"cpu", reader.cpu},
                    {"packets", reader.packets},
                    {"dropped", reader.dropped},
                    {"freezes", reader.freezes},
                    {"pending", reader.pending},
                    {"remembered", reader.remembered},
                    {"capacity", reader.capacity},
                    {"mailbox_depth", reader.mailbox_depth},
                    {"event_queue_depth", reader.event_queue_depth},
                    {"events_lost", reader.events_lost}});
  }
  return list;
}

Json filters_json(const Snapshot& snapshot) {
  Json list = Json::array();
  for (const FilterStats& filter : snapshot.filters) {
    Json object = {{"name", filter.name}, {"expression", filter.expression}};
    add_counts(object, filter.counts);
    list.push_back(std::move(object));
  }
  return list;
}

Json totals_json(const Snapshot& snapshot) {
  Json object = Json::object();
  add_counts(object, snapshot.totals);
  return object;
}

Json packets_json(const PacketStats& packets) {
  Json ignored = Json::object();
  for (const NamedCount& reason : packets.ignored) ignored[std::string(reason.name)] = reason.count;
  return {{"seen", packets.seen},
          {"dropped", packets.dropped},
          {"in_ring", packets.in_ring},
          {"delivered", packets.delivered},
          {"used", packets.used},
          {"ignored", ignored},
          {"in_mailboxes", packets.in_mailboxes},
          {"misrouted", packets.misrouted}};
}

Json server_json(const ServerStats& server) {
  return {{"clients_accepted", server.clients_accepted},
          {"clients_displaced", server.clients_displaced},
          {"accept_failures", server.accept_failures},
          {"requests", server.requests},
          {"requests_dropped", server.requests_dropped},
          {"replies_dropped", server.replies_dropped},
          {"lines_lost", server.lines_lost}};
}

Json identity_json(const char* left_name, std::uint64_t left, std::uint64_t right) {
  return {{left_name, left}, {"accounted", right}, {"holds", left == right}};
}

Json accounting_json(const Snapshot& snapshot) {
  const PacketStats& packets = snapshot.packets;
  Json filters = Json::array();
  for (const FilterStats& filter : snapshot.filters) {
    const std::uint64_t attempts = filter.counts[Tally::attempts];
    filters.push_back({{"name", filter.name},
                       {"attempts", attempts},
                       {"accounted", filter.counts.accounted()},
                       {"holds", attempts == filter.counts.accounted()}});
  }
  return {
      {"attempts",
       identity_json("attempts", snapshot.totals[Tally::attempts], snapshot.totals.accounted())},
      {"filters", filters},
      {"seen",
       identity_json("seen", packets.seen, packets.delivered + packets.dropped + packets.in_ring)},
      {"delivered", identity_json("delivered", packets.delivered,
                                  packets.used + packets.ignored_total() + packets.in_mailboxes)}};
}

}  // namespace

std::string stats_reply(const Snapshot& snapshot) {
  Json reply = {{"schema", kStatsSchema},
                {"version", snapshot.version},
                {"started", rfc3339_utc(snapshot.started)},
                {"time", rfc3339_utc(snapshot.taken)},
                {"uptime_seconds", seconds(snapshot.uptime)}};
  reply["interfaces"] = interfaces_json(snapshot);
  reply["readers"] = readers_json(snapshot);
  reply["filters"] = filters_json(snapshot);
  reply["totals"] = totals_json(snapshot);
  reply["attempts_excluded"] = snapshot.attempts_excluded;
  reply["attempts_not_local"] = snapshot.attempts_not_local;
  reply["copies"] = {{"syn", snapshot.syn_copies}, {"synack", snapshot.synack_copies}};
  reply["late_syns"] = snapshot.late_syns;
  reply["packets"] = packets_json(snapshot.packets);
  reply["server"] = server_json(snapshot.server);
  reply["accounting"] = accounting_json(snapshot);
  return reply.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tcpeek::ipc
