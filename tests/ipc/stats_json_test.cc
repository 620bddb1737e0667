// The STATS object: its members and their order as literal text, and every value in its place.
#include "ipc/stats_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tcpeek::ipc {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr const char* kZeroCounts =
    R"("attempts":0,"pending":0,"retrying":0,)"
    R"("retrying_dup_syn_segments":0,"retrying_dup_synack_segments":0,)"
    R"("success":{"total":0,"half_seen":0,"late_proof":0,"dup_syn":0,"dup_synack":0,)"
    R"("dup_syn_segments":0,"dup_synack_segments":0,)"
    R"("by_syn":{"second":0,"third":0,"later":0}},)"
    R"("failure":{"total":0,"refused":0,"aborted":0,)"
    R"("timed_out":{"total":0,"no_answer":0,"no_ack":0,"superseded":0,"uncertain":0},"unreachable":0,)"
    R"("dup_syn":0,"dup_synack":0,"dup_syn_segments":0,"dup_synack_segments":0,)"
    R"("causes":{"refused":0,"reset":0,"aborted":0,"half_open":0,"probe":0,"no_answer":0,"no_ack":0,)"
    R"("superseded":0,"unreachable":{"no_route":0,"host":0,"protocol":0,"port":0,"prohibited":0,)"
    R"("hop_limit":0,"bad_header":0,"source_route":0,"other":0,"unknown":0}},"rst_suspect":0},)"
    R"("evicted":0,"late_synack":0,)"
    R"("patterns":{"stuck_tuple":0,"ecn_black_hole":0,"fast_open_black_hole":0},)"
    R"("latency_seconds":{"count":0,"sum":0.000000,"p50":null,"p90":null,"p99":null,"p999":null,)"
    R"("max":null},"legs_seconds":{)"
    R"("syn_to_synack":{"count":0,"sum":0.000000,"p50":null,"p90":null,"p99":null,"p999":null,"max":null},)"
    R"("synack_to_ack":{"count":0,"sum":0.000000,"p50":null,"p90":null,"p99":null,"p999":null,"max":null},)"
    R"("ambiguous":0}})";

TEST(StatsReply, MembersAndTheirOrder) {
  Snapshot snapshot;
  snapshot.version = "2.0.0";
  snapshot.taken += 1500ms;
  snapshot.uptime = 1500ms;
  snapshot.interfaces.push_back({"eth0", "EN10MB", InterfaceState::up, 3, 2, 1});
  snapshot.readers.push_back({.id = 0, .cpu = -1});
  snapshot.filters.push_back({"RX", "RX:RX@%:%", {}});
  snapshot.packets.ignored = {{"bad_checksum", 0}, {"a_fragment", 0}};
  EXPECT_EQ(
      stats_reply(snapshot),
      std::string(
          R"({"schema":2,"version":"2.0.0","started":"1970-01-01T00:00:00.000000Z",)"
          R"("time":"1970-01-01T00:00:01.500000Z","uptime_seconds":1.500000,)"
          R"("interfaces":[{"name":"eth0","link_type":"EN10MB","up":true,"state":"up","packets":3,)"
          R"("dropped":2,"if_dropped":1}],)"
          R"("readers":[{"id":0,"cpu":-1,"packets":0,"dropped":0,"freezes":0,"pending":0,)"
          R"("remembered":0,"capacity":0,"mailbox_depth":0,"event_queue_depth":0,)"
          R"("events_lost":0}],)"
          R"("filters":[{"name":"RX","expression":"RX:RX@%:%",)") +
          kZeroCounts + R"(],"totals":{)" + kZeroCounts +
          R"(,"attempts_excluded":0,"attempts_not_local":0,"filter_sets_overflowed":0,"copies":{"syn":0,"synack":0},)"
          R"("late_syns":0,"stray_syns":0,"packets":{"seen":0,"dropped":0,"in_ring":0,"delivered":0,"used":0,)"
          R"("ignored":{"bad_checksum":0,"a_fragment":0},"in_mailboxes":0,"misrouted":0},)"
          R"("server":{"clients_accepted":0,"clients_displaced":0,"accept_failures":0,"requests":0,)"
          R"("requests_dropped":0,"replies_dropped":0,"lines_lost":0,"watchers":0,)"
          R"("watchers_refused":0,"watchers_stalled":0,"deltas_displaced":0},)"
          R"("queues":{"ports":[],"ports_left_out":0,"listeners_known":false,"kernel_counters":)"
          R"({"known":false,"listen_overflows":0,"listen_drops":0,"syn_queue_drops":0}},)"
          R"("accounting":{"attempts":{"attempts":0,"accounted":0,"holds":true},)"
          R"("filters":[{"name":"RX","attempts":0,"accounted":0,"holds":true}],)"
          R"("seen":{"seen":0,"accounted":0,"holds":true},)"
          R"("delivered":{"delivered":0,"accounted":0,"holds":true}}})");
}

TEST(StatsReply, WhetherThePrefilterIsUsed) {
  Snapshot snapshot;
  EXPECT_FALSE(Json::parse(stats_reply(snapshot)).contains("prefilter"));
  snapshot.prefilter = PrefilterStats{.mode = "on", .active = true, .reason = "", .map_bytes = 42};
  EXPECT_EQ(Json::parse(stats_reply(snapshot))["prefilter"].dump(),
            R"({"mode":"on","active":true,"reason":null,"map_bytes":42})");
  snapshot.prefilter = PrefilterStats{.mode = "auto", .reason = "a \"reason\""};
  EXPECT_EQ(Json::parse(stats_reply(snapshot))["prefilter"].dump(),
            R"({"mode":"auto","active":false,"reason":"a \"reason\"","map_bytes":0})");
}

TEST(StatsReply, TheHttpServerWhereThereIsOne) {
  Snapshot snapshot;
  EXPECT_FALSE(Json::parse(stats_reply(snapshot)).contains("http"));
  snapshot.http = ServerStats{.clients_accepted = 1,
                              .clients_displaced = 2,
                              .accept_failures = 3,
                              .requests = 4,
                              .requests_dropped = 5,
                              .replies_dropped = 6,
                              .watchers = 7,
                              .watchers_refused = 8,
                              .watchers_stalled = 9};
  EXPECT_EQ(Json::parse(stats_reply(snapshot))["http"].dump(),
            R"({"clients_accepted":1,"clients_displaced":2,"accept_failures":3,"requests":4,)"
            R"("requests_dropped":5,"replies_dropped":6,"watchers":7,"watchers_refused":8,)"
            R"("watchers_stalled":9})");
}

// Where each tally is shown.
const std::map<Tally, const char*>& places() {
  static const std::map<Tally, const char*> kPlaces{
      {Tally::attempts, "/attempts"},
      {Tally::pending, "/pending"},
      {Tally::success, "/success/total"},
      {Tally::refused, "/failure/causes/refused"},
      {Tally::reset, "/failure/causes/reset"},
      {Tally::aborted, "/failure/causes/aborted"},
      {Tally::half_open, "/failure/causes/half_open"},
      {Tally::probe, "/failure/causes/probe"},
      {Tally::superseded, "/failure/causes/superseded"},
      {Tally::retrying, "/retrying"},
      {Tally::retrying_syns, "/retrying_dup_syn_segments"},
      {Tally::retrying_synacks, "/retrying_dup_synack_segments"},
      {Tally::rst_suspect, "/failure/rst_suspect"},
      {Tally::legs_ambiguous, "/legs_seconds/ambiguous"},
      {Tally::success_second_syn, "/success/by_syn/second"},
      {Tally::success_third_syn, "/success/by_syn/third"},
      {Tally::success_later_syn, "/success/by_syn/later"},
      {Tally::unreachable_no_route, "/failure/causes/unreachable/no_route"},
      {Tally::unreachable_host, "/failure/causes/unreachable/host"},
      {Tally::unreachable_protocol, "/failure/causes/unreachable/protocol"},
      {Tally::unreachable_port, "/failure/causes/unreachable/port"},
      {Tally::unreachable_prohibited, "/failure/causes/unreachable/prohibited"},
      {Tally::unreachable_hop_limit, "/failure/causes/unreachable/hop_limit"},
      {Tally::unreachable_bad_header, "/failure/causes/unreachable/bad_header"},
      {Tally::unreachable_source_route, "/failure/causes/unreachable/source_route"},
      {Tally::unreachable_other, "/failure/causes/unreachable/other"},
      {Tally::unreachable_unknown, "/failure/causes/unreachable/unknown"},
      {Tally::timed_out_no_answer, "/failure/timed_out/no_answer"},
      {Tally::timed_out_no_ack, "/failure/timed_out/no_ack"},
      {Tally::unreachable, "/failure/unreachable"},
      {Tally::evicted, "/evicted"},
      {Tally::uncertain, "/failure/timed_out/uncertain"},
      {Tally::half_seen, "/success/half_seen"},
      {Tally::late_proof, "/success/late_proof"},
      {Tally::late_synack, "/late_synack"},
      {Tally::stuck_tuple, "/patterns/stuck_tuple"},
      {Tally::ecn_black_hole, "/patterns/ecn_black_hole"},
      {Tally::fast_open_black_hole, "/patterns/fast_open_black_hole"},
      {Tally::success_dup_syn, "/success/dup_syn"},
      {Tally::success_dup_synack, "/success/dup_synack"},
      {Tally::failure_dup_syn, "/failure/dup_syn"},
      {Tally::failure_dup_synack, "/failure/dup_synack"},
      {Tally::success_dup_syn_segments, "/success/dup_syn_segments"},
      {Tally::success_dup_synack_segments, "/success/dup_synack_segments"},
      {Tally::failure_dup_syn_segments, "/failure/dup_syn_segments"},
      {Tally::failure_dup_synack_segments, "/failure/dup_synack_segments"},
  };
  return kPlaces;
}

TEST(StatsReply, ShowsWhatIsKnownOfAQueue) {
  Snapshot snapshot;
  snapshot.queues.ports.push_back({.address = "192.0.2.2",
                                   .port = 80,
                                   .own = true,
                                   .suspected = true,
                                   .verdict = QueueVerdict::confirmed,
                                   .first_unanswered = 1'000'000'000,
                                   .last_unanswered = 2'500'000'000,
                                   .unanswered = 3,
                                   .answered_meanwhile = 4,
                                   .late_synacks = 5,
                                   .backlog_now = 6,
                                   .backlog_max = 7,
                                   .overflows_last_minute = 8});
  snapshot.queues.ports.push_back({.address = "::", .port = 81});
  snapshot.queues.ports_left_out = 9;
  snapshot.queues.listeners_known = snapshot.queues.counters_known = true;
  snapshot.queues.listen_overflows = 10;
  snapshot.queues.listen_drops = 11;
  snapshot.queues.syn_queue_drops = 12;
  EXPECT_EQ(
      Json::parse(stats_reply(snapshot))["queues"].dump(),
      R"({"ports":[{"address":"192.0.2.2","port":80,"own":true,"suspected":true,"kernel":"confirmed",)"
      R"("backlog_now":6,"backlog_max":7,"overflows_last_minute":8,"unanswered":3,)"
      R"("answered_meanwhile":4,"late_synack":5,)"
      R"("first_unanswered":"1970-01-01T00:00:01.000000Z",)"
      R"("last_unanswered":"1970-01-01T00:00:02.500000Z"},)"
      R"({"address":"::","port":81,"own":false,"suspected":false,"kernel":"unknown",)"
      R"("backlog_now":null,"backlog_max":null,"overflows_last_minute":null,"unanswered":0,)"
      R"("answered_meanwhile":0,"late_synack":0,"first_unanswered":null,"last_unanswered":null}],)"
      R"("ports_left_out":9,"listeners_known":true,"kernel_counters":{"known":true,)"
      R"("listen_overflows":10,"listen_drops":11,"syn_queue_drops":12}})");
}

TEST(StatsReply, EveryTallyIsShownInItsPlaceExactly) {
  ASSERT_EQ(places().size(), kTallies);
  Snapshot snapshot;
  snapshot.filters.push_back({"web", "web:RX@%:80", {}});
  constexpr std::uint64_t kBig = std::uint64_t{1} << 55;  // no double holds these
  for (std::size_t i = 0; i < kTallies; ++i) {
    snapshot.totals.values[i] = kBig + 2 * i + 1;
    snapshot.filters[0].counts.values[i] = i + 1;
  }
  const Json reply = Json::parse(stats_reply(snapshot));
  for (const auto& [tally, place] : places()) {
    const auto index = static_cast<std::size_t>(tally);
    const Json::json_pointer at(place);
    EXPECT_TRUE(reply["totals"][at].is_number_unsigned()) << place;
    EXPECT_EQ(reply["totals"][at].get<std::uint64_t>(), kBig + 2 * index + 1) << place;
    EXPECT_EQ(reply["filters"][0][at].get<std::uint64_t>(), index + 1) << place;
  }
  EXPECT_EQ(reply["totals"]["failure"]["total"], snapshot.totals.failures());
  EXPECT_EQ(reply["totals"]["failure"]["timed_out"]["total"], snapshot.totals.timed_out());
  EXPECT_EQ(reply["totals"]["failure"]["timed_out"]["superseded"],
            snapshot.totals[Tally::superseded]);
  // The members of schema 1, which knew fewer causes.
  EXPECT_EQ(reply["totals"]["failure"]["refused"], snapshot.totals.refused());
  EXPECT_EQ(reply["totals"]["failure"]["aborted"], snapshot.totals.aborted());
  EXPECT_EQ(reply["totals"]["failure"]["causes"]["no_answer"],
            snapshot.totals[Tally::timed_out_no_answer]);
  EXPECT_EQ(reply["totals"]["failure"]["causes"]["no_ack"],
            snapshot.totals[Tally::timed_out_no_ack]);
}

TEST(StatsReply, EveryOtherCountIsShownInItsPlace) {
  Snapshot s;
  s.interfaces.push_back({"eth0", "EN10MB", InterfaceState::gone, 101, 102, 103});
  s.readers.push_back({1, 2, 103, 104, 105, 106, 107, 108, 109, 110, 111});
  s.attempts_excluded = 201;
  s.attempts_not_local = 202;
  s.syn_copies = 203;
  s.synack_copies = 204;
  s.late_syns = 205;
  s.stray_syns = 206;
  s.packets = {301, 302, 303, 304, 305, {{"x", 306}, {"y", 307}}, 308, 309};
  s.server.clients_accepted = 401;
  s.server.clients_displaced = 402;
  s.server.accept_failures = 403;
  s.server.requests = 404;
  s.server.requests_dropped = 405;
  s.server.replies_dropped = 406;
  s.server.lines_lost = 407;
  s.server.watchers = 408;
  s.server.watchers_refused = 409;
  s.server.watchers_stalled = 410;
  s.server.deltas_displaced = 411;
  const Json reply = Json::parse(stats_reply(s));
  EXPECT_EQ(
      reply["interfaces"].dump(),
      R"([{"name":"eth0","link_type":"EN10MB","up":false,"state":"gone","packets":101,"dropped":102,)"
      R"("if_dropped":103}])");
  EXPECT_EQ(reply["readers"].dump(),
            R"([{"id":1,"cpu":2,"packets":103,"dropped":104,"freezes":105,"pending":106,)"
            R"("remembered":107,"capacity":108,"mailbox_depth":109,"event_queue_depth":110,)"
            R"("events_lost":111}])");
  EXPECT_EQ(reply["attempts_excluded"], 201);
  EXPECT_EQ(reply["attempts_not_local"], 202);
  EXPECT_EQ(reply["copies"].dump(), R"({"syn":203,"synack":204})");
  EXPECT_EQ(reply["late_syns"], 205);
  EXPECT_EQ(reply["stray_syns"], 206);
  EXPECT_EQ(reply["packets"].dump(),
            R"({"seen":301,"dropped":302,"in_ring":303,"delivered":304,"used":305,)"
            R"("ignored":{"x":306,"y":307},"in_mailboxes":308,"misrouted":309})");
  EXPECT_EQ(
      reply["server"].dump(),
      R"({"clients_accepted":401,"clients_displaced":402,"accept_failures":403,)"
      R"("requests":404,"requests_dropped":405,"replies_dropped":406,"lines_lost":407,"watchers":408,)"
      R"("watchers_refused":409,"watchers_stalled":410,"deltas_displaced":411})");
}

TEST(StatsReply, LatencyIsInSeconds) {
  Snapshot snapshot;
  for (int i = 0; i < 1000; ++i) snapshot.totals.latency.add(2ms);
  snapshot.totals.latency.add(10s);
  const Json latency = Json::parse(stats_reply(snapshot))["totals"]["latency_seconds"];
  EXPECT_EQ(latency["count"], 1001);
  EXPECT_DOUBLE_EQ(latency["sum"].get<double>(), 12.0);
  EXPECT_NEAR(latency["p50"].get<double>(), 0.002, 0.002 * 0.032);
  EXPECT_NEAR(latency["p90"].get<double>(), 0.002, 0.002 * 0.032);
  EXPECT_NEAR(latency["p99"].get<double>(), 0.002, 0.002 * 0.032);
  EXPECT_NEAR(latency["p999"].get<double>(), 0.002, 0.002 * 0.032);
  snapshot.totals.latency.add(10s);
  const Json later = Json::parse(stats_reply(snapshot))["totals"]["latency_seconds"];
  EXPECT_NEAR(later["p999"].get<double>(), 10.0, 10.0 * 0.032);
  EXPECT_DOUBLE_EQ(later["max"].get<double>(), 10.0);
}

TEST(StatsReply, AccountingHolds) {
  Snapshot s;
  s.totals[Tally::attempts] = 10;
  s.totals[Tally::success] = 4;
  s.totals[Tally::aborted] = 1;
  s.totals[Tally::evicted] = 2;
  s.totals[Tally::pending] = 3;
  s.filters.push_back({"RX", "", s.totals});
  s.packets = {100, 10, 5, 85, 60, {{"a", 15}, {"b", 6}}, 4, 77};
  EXPECT_EQ(Json::parse(stats_reply(s))["accounting"].dump(),
            R"({"attempts":{"attempts":10,"accounted":10,"holds":true},)"
            R"("filters":[{"name":"RX","attempts":10,"accounted":10,"holds":true}],)"
            R"("seen":{"seen":100,"accounted":100,"holds":true},)"
            R"("delivered":{"delivered":85,"accounted":85,"holds":true}})");
}

TEST(StatsReply, AccountingThatDoesNotHoldSaysSo) {
  Snapshot s;
  s.totals[Tally::attempts] = 1;
  s.filters.push_back({"RX", "", {}});
  s.filters[0].counts[Tally::success] = 1;
  s.packets.seen = 1;
  s.packets.used = 1;
  EXPECT_EQ(Json::parse(stats_reply(s))["accounting"].dump(),
            R"({"attempts":{"attempts":1,"accounted":0,"holds":false},)"
            R"("filters":[{"name":"RX","attempts":0,"accounted":1,"holds":false}],)"
            R"("seen":{"seen":1,"accounted":0,"holds":false},)"
            R"("delivered":{"delivered":0,"accounted":1,"holds":false}})");
}

TEST(StatsReply, HealthOfAFilterAndSinceWhen) {
  Snapshot s;
  const auto at = [](std::chrono::seconds seconds) {
    return std::chrono::system_clock::time_point(seconds);
  };
  s.filters.push_back({"web", "x", {}});
  s.filters[0].health = {
      .is = HealthState::failing,
      .since = at(60s),
      .figures = {.succeeded = 1, .failed = 9, .retried = 1},
      .before = HealthState::ok,
      .figures_before = {.succeeded = 90, .failed = 2, .retried = 0},
      .times = {.failing_since = at(50s), .last_failure = at(61s), .last_success = at(49s)}};
  EXPECT_THAT(
      stats_reply(s),
      testing::HasSubstr(
          R"({"name":"web","expression":"x","state":{"is":"failing",)"
          R"("since":"1970-01-01T00:01:00.000000Z","ended":10,"failed":9,"retried":1,)"
          R"("before":{"is":"ok","ended":92,"failed":2,"retried":0}},)"
          R"("failing_since":"1970-01-01T00:00:50.000000Z","last_failure":"1970-01-01T00:01:01.000000Z",)"
          R"("last_success":"1970-01-01T00:00:49.000000Z","attempts":0,)"));
}

TEST(StatsReply, HealthThatIsNotKnownYet) {
  Snapshot s;
  s.filters.push_back({"web", "x", {}});
  s.filters[0].health.emplace();
  EXPECT_THAT(stats_reply(s),
              testing::HasSubstr(
                  R"("state":{"is":"unknown","since":null,"ended":0,"failed":0,"retried":0,)"
                  R"("before":{"is":"unknown","ended":0,"failed":0,"retried":0}},)"
                  R"("failing_since":null,"last_failure":null,"last_success":null,"attempts":0,)"));
}

TEST(StatsReply, TheHistoryThatIsKept) {
  Snapshot s;
  s.history = {.bytes = 4711, .filters = 2, .filters_not_kept = 1, .services = 3};
  EXPECT_EQ(Json::parse(stats_reply(s))["history"].dump(),
            R"({"bytes":4711,"filters":2,"filters_not_kept":1,"services":3})");
}

TEST(StatsReply, HostileNames) {
  Snapshot s;
  s.filters.push_back({"a\"b\xff", "x\n", {}});
  const Json reply = Json::parse(stats_reply(s));
  EXPECT_EQ(reply["filters"][0]["name"], "a\"b\xef\xbf\xbd");
  EXPECT_EQ(reply["filters"][0]["expression"], "x\n");
}

}  // namespace
}  // namespace tcpeek::ipc
