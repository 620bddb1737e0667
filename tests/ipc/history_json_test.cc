// The HISTORY reply: its members, its rows, and names that would break it.
#include "ipc/history_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ipc/json_text.h"

namespace tcpeek::ipc {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

HistoryReport small_report() {
  HistoryReport report;
  report.time = std::chrono::system_clock::time_point(3723s);
  report.uptime = 2500ms;
  report.stats = {.bytes = 4711, .filters = 1, .filters_not_kept = 2};
  report.seconds = {{report.time - 1s, 1500ms}, {report.time, 1s}};
  report.minutes = {{report.time - 500ms, 60'001ms}};
  Counts counts;
  counts[Tally::attempts] = 9;
  counts[Tally::success] = 2;
  counts[Tally::refused] = 1;
  counts[Tally::aborted] = 3;
  counts[Tally::timed_out_no_answer] = 4;
  counts[Tally::timed_out_no_ack] = 5;
  counts[Tally::superseded] = 12;
  counts[Tally::retrying] = 13;
  counts[Tally::unreachable] = 6;
  counts[Tally::evicted] = 7;
  counts[Tally::pending] = 8;
  counts[Tally::success_dup_syn_segments] = 10;
  counts[Tally::failure_dup_synack_segments] = 11;
  counts.latency.add(4us);
  Counts quiet;
  HistorySeries totals;
  totals.kind = HistoryKind::totals;
  totals.seconds = {sample_of(quiet), sample_of(counts)};
  totals.minutes = {sample_of(counts)};
  HistorySeries web;
  web.name = "web";
  web.removed = true;
  web.times = {.failing_since = report.time - 2s,
               .last_failure = report.time - 1s,
               .last_success = report.time - 3s};
  web.seconds = {HistorySample{}, sample_of(quiet)};
  web.minutes = {HistorySample{}};
  report.series = {totals, web};
  return report;
}

TEST(HistoryReply, MembersAndTheirOrder) {
  EXPECT_EQ(
      history_reply(small_report()),
      R"({"schema":1,"time":"1970-01-01T01:02:03.000000Z","uptime_seconds":2.500000,)"
      R"("bytes":4711,"filters":1,"filters_not_kept":2,"services":0,)"
      R"("columns":["unix_time","span_seconds","attempts","success","refused","aborted",)"
      R"("timed_out_no_answer","timed_out_no_ack","timed_out_superseded","unreachable","evicted","pending","retrying",)"
      R"("dup_syn_segments","dup_synack_segments","p50_seconds","p99_seconds"],)"
      R"("series":[{"kind":"totals","name":null,"removed":false,"failing_since":null,)"
      R"("last_failure":null,"last_success":null},{"kind":"filter","name":"web","removed":true,)"
      R"("failing_since":"1970-01-01T01:02:01.000000Z","last_failure":"1970-01-01T01:02:02.000000Z",)"
      R"("last_success":"1970-01-01T01:02:00.000000Z"}],)"
      R"("seconds":[{"kind":"totals","name":null,"rows":[)"
      R"([3722.000,1.500,0,0,0,0,0,0,0,0,0,0,0,0,0,null,null],)"
      R"([3723.000,1.000,9,2,1,3,4,5,12,6,7,8,13,10,11,0.000004,0.000004]]},)"
      R"({"kind":"filter","name":"web","rows":[[3723.000,1.000,0,0,0,0,0,0,0,0,0,0,0,0,0,null,null]]}],)"
      R"("minutes":[{"kind":"totals","name":null,"rows":[)"
      R"([3722.500,60.001,9,2,1,3,4,5,12,6,7,8,13,10,11,0.000004,0.000004]]},)"
      R"({"kind":"filter","name":"web","rows":[]}]})");
}

TEST(HistoryReply, ARowHasANumberForEachColumn) {
  HistoryReport report = small_report();
  Counts most;
  most.values.fill(~std::uint64_t{0} / 4);
  most.latency.add(std::chrono::hours(100));
  report.series[0].seconds[0] = sample_of(most);
  const Json reply = Json::parse(history_reply(report));
  for (const char* resolution : {"seconds", "minutes"}) {
    for (const Json& series : reply[resolution]) {
      for (const Json& row : series["rows"]) EXPECT_EQ(row.size(), reply["columns"].size());
    }
  }
  const Json& row = reply["seconds"][0]["rows"][0];
  EXPECT_EQ(row[2].get<std::uint64_t>(), 4294967295U);
  EXPECT_EQ(row[4].get<std::uint64_t>(), CompactCount::kLargest);
}

TEST(HistoryReply, LatencyIsThatOfItsBucket) {
  HistoryReport report = small_report();
  for (std::uint64_t us = 1; us < 130'000'000; us = us * 3 / 2 + 1) {
    Counts counts;
    counts.latency.add(std::chrono::microseconds(us));
    report.series[0].seconds[1] = sample_of(counts);
    const Json reply = Json::parse(history_reply(report));
    const double told = reply["seconds"][0]["rows"][1][15].get<double>();
    const double seconds = static_cast<double>(us) / 1e6;
    EXPECT_NEAR(told, seconds, seconds / 31) << us;
  }
}

TEST(HistoryReply, HostileNames) {
  HistoryReport report = small_report();
  report.series[1].name = "a\"b\xff\n]";
  const Json reply = Json::parse(history_reply(report));
  EXPECT_EQ(reply["series"][1]["name"], "a\"b\xef\xbf\xbd\n]");
  EXPECT_EQ(reply["minutes"][1]["name"], "a\"b\xef\xbf\xbd\n]");
}

TEST(HistoryReply, NothingYet) {
  const Json reply = Json::parse(history_reply({}));
  EXPECT_TRUE(reply["seconds"].empty());
  EXPECT_TRUE(reply["minutes"].empty());
}

TEST(ErrorReply, IsOneObject) {
  EXPECT_EQ(error_reply("no \"such\" thing"), R"({"error":"no \"such\" thing"})");
}

}  // namespace
}  // namespace tcpeek::ipc
