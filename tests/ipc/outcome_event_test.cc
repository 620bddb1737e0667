// Lines of outcomes, compared with literal text.
#include "ipc/outcome_event.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ipc/json_text.h"

namespace tcpeek::ipc {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

OutcomeEvent event() {
  OutcomeEvent e;
  e.result = "success";
  e.first_syn = system_clock::time_point{seconds{1'341'247'713}} + microseconds{42};
  e.duration = microseconds{1'000'250};
  e.initiator = {"192.0.2.1", 40'000};
  e.responder = {"2001:db8::1", 443};
  e.interface = "eth0";
  e.filters = filters_named({"RX", "web"});
  return e;
}

TEST(OutcomeEvent, Success) {
  OutcomeEvent e = event();
  e.half_seen = true;
  e.dup_syn = 2;
  e.tried = microseconds{3'000'001};
  e.isn = 4'294'967'295;
  EXPECT_EQ(
      to_json_line(e),
      R"({"event":"outcome","time":"2012-07-02T16:48:33.000042Z","duration_seconds":1.000250,)"
      R"("initiator":{"address":"192.0.2.1","port":40000},)"
      R"("responder":{"address":"2001:db8::1","port":443},)"
      R"("result":"success","cause":"",)"
      R"("uncertain":false,"half_seen":true,"late_proof":false,)"
      R"("tries":3,"tried_seconds":3.000001,"dup_syn":2,"dup_synack":0,)"
      R"("legs_seconds":{"syn_to_synack":null,"synack_to_ack":null},)"
      R"("isn":{"initiator":4294967295,"responder":null},)"
      R"("interface":"eth0","filters":["RX","web"],)"
      R"("client.address":"192.0.2.1","client.port":40000,)"
      R"("server.address":"2001:db8::1","server.port":443,)"
      R"("network.transport":"tcp","network.type":"ipv6",)"
      R"("network.interface.name":"eth0"})");
}

TEST(OutcomeEvent, Timeout) {
  OutcomeEvent e = event();
  e.duration = microseconds{60'000'000};
  e.result = "timeout";
  e.cause = "no_ack";
  e.uncertain = true;
  e.late_proof = true;
  e.dup_synack = 4'294'967'295;
  e.filters = filters_named({});
  e.error_type = "timed_out";
  EXPECT_EQ(
      to_json_line(e),
      R"({"event":"outcome","time":"2012-07-02T16:48:33.000042Z","duration_seconds":60.000000,)"
      R"("initiator":{"address":"192.0.2.1","port":40000},)"
      R"("responder":{"address":"2001:db8::1","port":443},)"
      R"("result":"timeout","cause":"no_ack",)"
      R"("uncertain":true,"half_seen":false,"late_proof":true,)"
      R"("tries":1,"tried_seconds":0.000000,"dup_syn":0,"dup_synack":4294967295,)"
      R"("legs_seconds":{"syn_to_synack":null,"synack_to_ack":null},)"
      R"("isn":{"initiator":0,"responder":null},"interface":"eth0","filters":[],)"
      R"("client.address":"192.0.2.1","client.port":40000,)"
      R"("server.address":"2001:db8::1","server.port":443,)"
      R"("network.transport":"tcp","network.type":"ipv6",)"
      R"("network.interface.name":"eth0","error.type":"timed_out"})");
}

TEST(OutcomeEvent, WhatOnlySomeHave) {
  OutcomeEvent e = event();
  e.legs = EventLegs{microseconds{1000}, microseconds{250}};
  e.responder_isn = 0;
  e.rst = EventRst{"suspect", 254};
  e.icmp = EventIcmp{.type = 3, .code = 13, .reason = "prohibited", .router = "192.0.2.254"};
  const auto parsed = nlohmann::ordered_json::parse(to_json_line(e));
  EXPECT_EQ(parsed["legs_seconds"].dump(), R"({"syn_to_synack":0.001,"synack_to_ack":0.00025})");
  EXPECT_EQ(parsed["isn"]["responder"], 0);
  EXPECT_EQ(parsed["rst"].dump(), R"({"sender":"suspect","hop_limit":254})");
  EXPECT_EQ(parsed["icmp"].dump(),
            R"({"type":3,"code":13,"reason":"prohibited","router":"192.0.2.254"})");
}

TEST(OutcomeEvent, DurationIsNeverNegative) {
  OutcomeEvent e = event();
  e.duration = microseconds{-5};
  EXPECT_NE(to_json_line(e).find(R"("duration_seconds":0.000000,)"), std::string::npos);
}

TEST(OutcomeEvent, HostileNamesStayOneLineOfValidJson) {
  OutcomeEvent e = event();
  e.interface = "e\"0\n";
  e.filters = filters_named({"a\nb", "\xff", "{}"});
  const std::string line = to_json_line(e);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["interface"], "e\"0\n");
  EXPECT_EQ(parsed["filters"], nlohmann::json({"a\nb", "\xef\xbf\xbd", "{}"}));
}

TEST(Rfc3339, KnownTimes) {
  const system_clock::time_point epoch{};
  EXPECT_EQ(rfc3339_utc(epoch), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(rfc3339_utc(epoch - microseconds{1}), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(rfc3339_utc(epoch + seconds{1'709'251'199} + microseconds{999'999}),
            "2024-02-29T23:59:59.999999Z");
  EXPECT_EQ(rfc3339_utc(epoch + seconds{4'102'444'800}), "2100-01-01T00:00:00.000000Z");
  // The ends of what 64 bits of nanoseconds hold.
  EXPECT_EQ(rfc3339_utc(std::chrono::system_clock::time_point::min()),
            "1677-09-21T00:12:43.145224Z");
  EXPECT_EQ(rfc3339_utc(std::chrono::system_clock::time_point::max()),
            "2262-04-11T23:47:16.854775Z");
}

}  // namespace
}  // namespace tcpeek::ipc
