// METRICS: every count in its place, in both forms, and nothing a wire can make many of.
#include "ipc/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ipc/gzip.h"
#include "ipc/unix_server.h"
#include "tests/ipc/metrics_support.h"

namespace tcpeek::ipc {
namespace {

using test::read_metrics;
using test::ReadMetrics;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

ReadMetrics metrics_of(const Snapshot& snapshot, const ServiceMetrics& services = {},
                       const FailureExamples* examples = nullptr,
                       MetricsForm form = MetricsForm::openmetrics) {
  return read_metrics(metrics_text(snapshot, services, examples, form), form);
}

Snapshot with_filter(const std::string& name) {
  Snapshot snapshot;
  snapshot.filters.push_back({name, "x", {}});
  return snapshot;
}

TEST(Metrics, EveryReasonAndCauseIsThereFromTheStart) {
  const ReadMetrics read = metrics_of(with_filter("RX"));
  for (const char* reason : {"refused", "aborted", "timed_out", "unreachable"}) {
    EXPECT_EQ(read.at(std::string(R"(tcpeek_handshake_failures_total{filter="RX",reason=")") +
                      reason + "\"}"),
              "0");
  }
  for (const char* cause : {"refused", "reset", "aborted", "half_open", "probe", "no_answer",
                            "no_ack", "superseded", "unreachable"}) {
    EXPECT_EQ(read.at(std::string(R"(tcpeek_handshake_failure_causes_total{filter="RX",cause=")") +
                      cause + "\"}"),
              "0");
  }
  EXPECT_EQ(read.at(R"(tcpeek_handshake_duration_seconds_bucket{filter="RX",le="+Inf"})"), "0");
}

TEST(Metrics, CountsOfAFilterAreInTheirPlaces) {
  Snapshot snapshot = with_filter("web");
  Counts& counts = snapshot.filters[0].counts;
  for (std::size_t i = 0; i < kTallies; ++i) counts.values.at(i) = 100 + i;
  const ReadMetrics read = metrics_of(snapshot);
  const auto of = [&](const std::string& name, const std::string& more = "") {
    return read.at("tcpeek_" + name + R"({filter="web")" + more + "}");
  };
  const auto text = [](std::uint64_t number) { return std::to_string(number); };
  EXPECT_EQ(of("handshakes_total"), text(counts[Tally::attempts]));
  EXPECT_EQ(of("handshake_successes_total"), text(counts[Tally::success]));
  EXPECT_EQ(of("handshakes_evicted_total"), text(counts[Tally::evicted]));
  EXPECT_EQ(of("handshakes_pending"), text(counts[Tally::pending]));
  EXPECT_EQ(of("handshakes_retrying"), text(counts[Tally::retrying]));
  EXPECT_EQ(of("handshake_timeouts_uncertain_total"), text(counts[Tally::uncertain]));
  EXPECT_EQ(of("handshake_late_synacks_total"), text(counts[Tally::late_synack]));
  EXPECT_EQ(of("handshake_failures_total", R"(,reason="refused")"), text(counts.refused()));
  EXPECT_EQ(of("handshake_failures_total", R"(,reason="aborted")"), text(counts.aborted()));
  EXPECT_EQ(of("handshake_failures_total", R"(,reason="timed_out")"), text(counts.timed_out()));
  EXPECT_EQ(of("handshake_failures_total", R"(,reason="unreachable")"),
            text(counts[Tally::unreachable]));
  EXPECT_EQ(of("handshake_failure_causes_total", R"(,cause="no_ack")"),
            text(counts[Tally::timed_out_no_ack]));
  EXPECT_EQ(of("handshake_failure_causes_total", R"(,cause="half_open")"),
            text(counts[Tally::half_open]));
  EXPECT_EQ(
      of("handshake_retransmits_total", R"(,segment="syn")"),
      text(counts[Tally::success_dup_syn_segments] + counts[Tally::failure_dup_syn_segments]));
  EXPECT_EQ(of("handshake_retransmits_total", R"(,segment="synack")"),
            text(counts[Tally::success_dup_synack_segments] +
                 counts[Tally::failure_dup_synack_segments]));
}

// Reasons add up to all failures, and causes too.
TEST(Metrics, NoFailureCountsTwice) {
  Snapshot snapshot = with_filter("web");
  Counts& counts = snapshot.filters[0].counts;
  for (std::size_t i = 0; i < kTallies; ++i) counts.values.at(i) = std::uint64_t{1} << i;
  std::uint64_t reasons = 0;
  std::uint64_t causes = 0;
  for (const auto& [series, value] : metrics_of(snapshot).values) {
    if (series.starts_with("tcpeek_handshake_failures_total{")) reasons += std::stoull(value);
    if (series.starts_with("tcpeek_handshake_failure_causes_total{")) causes += std::stoull(value);
  }
  EXPECT_EQ(reasons, counts.failures());
  EXPECT_EQ(causes, counts.failures());
}

TEST(Metrics, DurationsAreAHistogramAndLegsASummary) {
  Snapshot snapshot = with_filter("web");
  Counts& counts = snapshot.filters[0].counts;
  for (const auto us : {63us, 64us, 1500us, 50'000'000us}) counts.latency.add(us);
  counts.responder_leg.add(1000us);
  counts.initiator_leg.add(30us);
  const ReadMetrics read = metrics_of(snapshot);
  const auto bucket = [&](const std::string& le) {
    return read.at(R"(tcpeek_handshake_duration_seconds_bucket{filter="web",le=")" + le + "\"}");
  };
  EXPECT_EQ(bucket("0.000064"), "1");
  EXPECT_EQ(bucket("0.000128"), "2");
  EXPECT_EQ(bucket("0.001024"), "2");
  EXPECT_EQ(bucket("0.002048"), "3");
  EXPECT_EQ(bucket("33.554432"), "3");
  EXPECT_EQ(bucket("+Inf"), "4");
  EXPECT_EQ(read.at(R"(tcpeek_handshake_duration_seconds_count{filter="web"})"), "4");
  EXPECT_EQ(read.at(R"(tcpeek_handshake_duration_seconds_sum{filter="web"})"), "50.001627");
  EXPECT_EQ(
      read.at(R"(tcpeek_handshake_leg_duration_seconds_sum{filter="web",leg="syn_to_synack"})"),
      "0.001000");
  EXPECT_EQ(
      read.at(R"(tcpeek_handshake_leg_duration_seconds_count{filter="web",leg="synack_to_ack"})"),
      "1");
}

TEST(Metrics, HealthIsOneOfTheStates) {
  Snapshot snapshot = with_filter("web");
  EXPECT_EQ(metrics_of(snapshot).at(R"(tcpeek_filter_health{filter="web",state="ok"})"), "none")
      << "where health is not judged";
  snapshot.filters[0].health.emplace().is = HealthState::degraded;
  const ReadMetrics read = metrics_of(snapshot);
  EXPECT_EQ(read.at(R"(tcpeek_filter_health{filter="web",state="degraded"})"), "1");
  for (const char* state : {"unknown", "never_succeeded", "ok", "failing"}) {
    EXPECT_EQ(read.at(std::string(R"(tcpeek_filter_health{filter="web",state=")") + state + "\"}"),
              "0");
  }
}

TEST(Metrics, WhenAStateBeganIsToldToTheSecondOnceItIsKnown) {
  Snapshot snapshot = with_filter("web");
  snapshot.filters[0].health.emplace();
  const std::string series = R"(tcpeek_filter_health_changed_timestamp_seconds{filter="web"})";
  EXPECT_EQ(metrics_of(snapshot).at(series), "none");
  for (const std::chrono::nanoseconds since : {7s + 1ns, 7s + 499ms + 0ns, 6s + 501ms + 0ns}) {
    snapshot.filters[0].health->since = std::chrono::system_clock::time_point(since);
    EXPECT_EQ(metrics_of(snapshot).at(series), "7");
  }
}

ServiceMetrics one_service() {
  ServiceMetrics services;
  services.services.push_back(
      {.address = "", .port = 443, .counts = {.pending = 5, .retrying = 4}});
  return services;
}

TEST(Metrics, AServiceHasItsStateAndWhatIsRetrying) {
  ServiceMetrics services = one_service();
  const std::string of_443 = R"({direction="rx",port="443")";
  const auto state = [&](const char* name) {
    return metrics_of({}, services)
        .at("tcpeek_service_health" + of_443 + ",state=\"" + name + "\"}");
  };
  EXPECT_EQ(metrics_of({}, services).at("tcpeek_service_handshakes_retrying" + of_443 + "}"), "4");
  EXPECT_EQ(state("unknown"), "1");
  const std::string since = "tcpeek_service_health_changed_timestamp_seconds" + of_443 + "}";
  EXPECT_EQ(metrics_of({}, services).at(since), "none");
  services.services[0].health = {.is = HealthState::failing,
                                 .since = std::chrono::system_clock::time_point(90s)};
  EXPECT_EQ(state("failing"), "1");
  EXPECT_EQ(state("unknown"), "0");
  EXPECT_EQ(metrics_of({}, services).at(since), "90");
}

// Of one port, in the order confirmed, suspected, refuted.
std::string queue_states(const ReadMetrics& read, const std::string& port) {
  std::string states;
  for (const char* state : {"confirmed", "suspected", "refuted"}) {
    states += read.at("tcpeek_accept_queue_state{port=\"" + port + "\",state=\"" + state + "\"}");
  }
  return states;
}

TEST(Metrics, OfAPortsAcceptQueuesTheWorstIsTold) {
  Snapshot snapshot;
  const auto told = [&](std::uint16_t port, QueueVerdict verdict) -> QueueStats& {
    snapshot.queues.ports.push_back(
        {.address = {}, .port = port, .suspected = true, .verdict = verdict});
    return snapshot.queues.ports.back();
  };
  told(80, QueueVerdict::refuted).unanswered = 2;
  told(80, QueueVerdict::unknown).unanswered = 3;
  told(81, QueueVerdict::refuted);
  for (const auto& [now, most] : {std::pair{5U, 4U}, std::pair{17U, 16U}, std::pair{130U, 511U}}) {
    QueueStats& queue = told(82, QueueVerdict::confirmed);
    queue.backlog_now = now;
    queue.backlog_max = most;
  }
  told(82, QueueVerdict::unknown);
  snapshot.queues.ports_left_out = 9;
  const ReadMetrics read = metrics_of(snapshot, one_service());
  EXPECT_EQ(queue_states(read, "80"), "010");
  EXPECT_EQ(queue_states(read, "81"), "001");
  EXPECT_EQ(queue_states(read, "82"), "100");
  EXPECT_EQ(queue_states(read, "443"), "000") << "a listed service without signs";
  EXPECT_EQ(read.at(R"(tcpeek_accept_queue_unanswered{port="80"})"), "5");
  EXPECT_EQ(read.at(R"(tcpeek_accept_queue_unanswered{port="443"})"), "0");
  EXPECT_EQ(read.at(R"(tcpeek_accept_queue_length{port="82"})"), "5") << "of the fullest";
  EXPECT_EQ(read.at(R"(tcpeek_accept_queue_limit{port="82"})"), "4");
  EXPECT_EQ(read.at(R"(tcpeek_accept_queue_length{port="80"})"), "none");
  EXPECT_EQ(read.at("tcpeek_accept_queues_left_out"), "9");
}

TEST(Metrics, WhatTheKernelDropsIsMissingWhereItCannotBeAsked) {
  Snapshot snapshot;
  snapshot.queues.listen_overflows = 1;
  snapshot.queues.listen_drops = 2;
  snapshot.queues.syn_queue_drops = 3;
  EXPECT_EQ(metrics_of(snapshot).at("tcpeek_listen_overflows_total"), "none");
  snapshot.queues.counters_known = true;
  const ReadMetrics read = metrics_of(snapshot);
  EXPECT_EQ(read.at("tcpeek_listen_overflows_total"), "1");
  EXPECT_EQ(read.at("tcpeek_listen_drops_total"), "2");
  EXPECT_EQ(read.at("tcpeek_syn_queue_drops_total"), "3");
}

TEST(Metrics, RemoteServicesHaveNoAcceptQueueHere) {
  ServiceMetrics services = one_service();
  services.services[0].address = "192.0.2.9";
  EXPECT_EQ(queue_states(metrics_of({}, services), "443"), "nonenonenone");
}

TEST(Metrics, WhatIsNotOfFilters) {
  Snapshot snapshot;
  snapshot.version = "2.0.0";
  snapshot.started += 1'500'000us;
  snapshot.interfaces.push_back({"eth0", "EN10MB", InterfaceState::up, 3, 2, 1});
  snapshot.interfaces.push_back({"wg0", "RAW", InterfaceState::down, 6, 5, 4});
  snapshot.readers.push_back(
      {.id = 1, .packets = 11, .dropped = 12, .pending = 13, .capacity = 14});
  snapshot.packets.used = 21;
  snapshot.packets.ignored = {{"not_tcp", 22}};
  snapshot.server.requests = 31;
  snapshot.server.lines_lost = 32;
  snapshot.http.emplace().requests = 33;
  const ReadMetrics read = metrics_of(snapshot);
  EXPECT_EQ(read.at(R"(tcpeek_build_info{version="2.0.0"})"), "1");
  EXPECT_EQ(read.at("process_start_time_seconds"), "1.500000");
  EXPECT_EQ(read.at(R"(tcpeek_capture_packets_total{interface="eth0"})"), "3");
  EXPECT_EQ(read.at(R"(tcpeek_capture_dropped_packets_total{interface="wg0"})"), "5");
  EXPECT_EQ(read.at(R"(tcpeek_capture_interface_up{interface="wg0"})"), "0");
  EXPECT_EQ(read.at(R"(tcpeek_reader_packets_total{reader="1"})"), "11");
  EXPECT_EQ(read.at(R"(tcpeek_reader_capacity{reader="1"})"), "14");
  EXPECT_EQ(read.at("tcpeek_packets_used_total"), "21");
  EXPECT_EQ(read.at(R"(tcpeek_packets_ignored_total{reason="not_tcp"})"), "22");
  EXPECT_EQ(read.at(R"(tcpeek_server_requests_total{server="unix"})"), "31");
  EXPECT_EQ(read.at(R"(tcpeek_server_requests_total{server="http"})"), "33");
  EXPECT_EQ(read.at("tcpeek_output_lines_lost_total"), "32");
}

TEST(Metrics, ServicesByPortAndOnlyIfAskedForByAddress) {
  ServiceMetrics services;
  services.services.push_back(
      {.address = "", .port = 443, .counts = {.attempts = 3, .success = 2}});
  services.services[0].counts.failures.reset = 1;
  services.services.push_back(
      {.address = "2001:db8::5", .port = 5432, .counts = {.attempts = 9, .dup_syn_segments = 4}});
  services.not_listed = 6;
  const ReadMetrics read = metrics_of({}, services);
  EXPECT_EQ(read.at(R"(tcpeek_service_handshakes_total{direction="rx",port="443"})"), "3");
  EXPECT_EQ(
      read.at(
          R"(tcpeek_service_handshake_failures_total{direction="rx",port="443",reason="refused"})"),
      "1");
  EXPECT_EQ(
      read.at(
          R"(tcpeek_service_handshakes_total{direction="tx",address="2001:db8::5",port="5432"})"),
      "9");
  EXPECT_EQ(
      read.at(
          R"(tcpeek_service_handshake_retransmits_total{direction="tx",address="2001:db8::5",port="5432",segment="syn"})"),
      "4");
  EXPECT_EQ(read.at("tcpeek_services_not_listed"), "6");
}

TEST(Metrics, ARemovedFilterLeavesItsNameToTheNext) {
  Snapshot snapshot = with_filter("web");
  snapshot.filters.push_back({.name = "web", .expression = "old", .counts = {}, .removed = true});
  snapshot.filters[1].counts[Tally::attempts] = 5;
  EXPECT_EQ(metrics_of(snapshot).at(R"(tcpeek_handshakes_total{filter="web"})"), "0");
}

TEST(Metrics, HostileNamesStayInTheirQuotes) {
  const std::vector<std::pair<std::string, std::string>> names{
      {R"(a"} 1)", R"(a\"} 1)"},    {"a\\", R"(a\\)"},        {"a\nb 1", R"(a\nb 1)"},
      {"\x1b[2J", R"(\\u001b[2J)"}, {"\xff", "\xEF\xBF\xBD"}, {"\xE2\x80\xAEx", R"(\\u202ex)"},
      {"f\xC3\xBCr", "f\xC3\xBCr"}, {"a\tb", R"(a\\tb)"},
  };
  for (const auto& [name, shown] : names) {
    for (const MetricsForm form : {MetricsForm::openmetrics, MetricsForm::prometheus}) {
      const ReadMetrics read = metrics_of(with_filter(name), {}, nullptr, form);
      EXPECT_EQ(read.at("tcpeek_handshakes_total{filter=\"" + shown + "\"}"), "0") << name;
    }
  }
}

TEST(Metrics, TheOlderFormHasTypesOfItsOwn) {
  const Snapshot snapshot = with_filter("RX");
  const std::string open = metrics_text(snapshot, {}, nullptr, MetricsForm::openmetrics);
  const std::string older = metrics_text(snapshot, {}, nullptr, MetricsForm::prometheus);
  EXPECT_THAT(open, HasSubstr("# TYPE tcpeek_handshakes counter\n"));
  EXPECT_THAT(open, HasSubstr("# TYPE tcpeek_build info\n"));
  EXPECT_THAT(open, HasSubstr("# UNIT tcpeek_handshake_duration_seconds seconds\n"));
  EXPECT_TRUE(open.ends_with("\n# EOF\n"));
  EXPECT_THAT(older, HasSubstr("# TYPE tcpeek_handshakes_total counter\n"));
  EXPECT_THAT(older, HasSubstr("# TYPE tcpeek_build_info gauge\n"));
  EXPECT_THAT(older, Not(HasSubstr("# UNIT")));
  EXPECT_THAT(older, Not(HasSubstr("# EOF")));
  EXPECT_EQ(read_metrics(open, MetricsForm::openmetrics).values,
            read_metrics(older, MetricsForm::prometheus).values);
}

TEST(Metrics, HelpSaysThatFiltersOverlap) {
  EXPECT_THAT(
      metrics_text({}, {}, nullptr, MetricsForm::prometheus),
      HasSubstr("# HELP tcpeek_handshakes_total Attempts to connect, by filter. Filters overlap"));
}

TEST(Metrics, ExemplarsNameWhoFailed) {
  FailureExamples examples;
  OutcomeEvent event;
  event.cause = "reset";
  event.initiator = {"192.0.2.1", 40'000};
  event.responder = {"2001:db8::1", 443};
  event.first_syn += 1500ms;
  event.duration = 250us;
  event.filters = filters_named({"web"});
  examples.note(event);
  const std::string series = R"(tcpeek_handshake_failures_total{filter="web",reason="refused"})";
  const ReadMetrics read = metrics_of(with_filter("web"), {}, &examples);
  ASSERT_EQ(read.examples.size(), 1U);
  EXPECT_EQ(
      read.examples.at(series),
      R"({client_address="192.0.2.1",server_address="2001:db8::1",server_port="443"} 1 1.500250)");
  EXPECT_TRUE(
      metrics_of(with_filter("web"), {}, &examples, MetricsForm::prometheus).examples.empty());
}

// What a server stores and a link carries: a thousand filters and a hundred services.
TEST(Metrics, ALargeScrapeIsSmallCompressed) {
  const Snapshot snapshot = test::full_snapshot(1000);
  const ServiceMetrics services = test::full_services(100);
  for (const MetricsForm form : {MetricsForm::openmetrics, MetricsForm::prometheus}) {
    const std::string text = metrics_text(snapshot, services, nullptr, form);
    EXPECT_LT(text.size(), std::size_t{16} << 20) << "the most that is sent to a client";
    EXPECT_LT(gzip(text).size(), std::size_t{1} << 20);
    EXPECT_GT(read_metrics(text, form).values.size(), 50'000U);
  }
}

// As many filters as there may be, with names as long as they may be, of what takes most room.
TEST(Metrics, TheWorstNamesStillFitAReply) {
  Snapshot snapshot = test::full_snapshot(1024);
  for (std::size_t i = 0; i < snapshot.filters.size(); ++i) {
    std::string& name = snapshot.filters[i].name;
    name = std::to_string(i);
    name.resize(64, '"');
  }
  EXPECT_LT(
      metrics_text(snapshot, test::full_services(200), nullptr, MetricsForm::openmetrics).size(),
      ServerLimits{}.max_reply_bytes);
}

}  // namespace
}  // namespace tcpeek::ipc
