// The reply to TOP, member by member. That it follows docs/schema/top.json is live/test_top.py's.
#include "ipc/top_json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "ipc/json_text.h"

namespace tcpeek::ipc {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

TopServiceRow service_row() {
  TopServiceRow row;
  row.address = "2001:db8::2";
  row.port = 443;
  row.initiator_local = true;
  row.attempts = 21;
  row.pending = 1;
  row.success = 4;
  row.failures = {45, {1, 2, 3, 4, 5, 6, 7, 8, 9}};
  row.evicted = 1;
  row.dup_syn_segments = 6;
  row.dup_synack_segments = 7;
  row.recent_attempts = 8;
  row.recent_failures = 5;
  row.counting_since = std::chrono::system_clock::time_point(1s);
  row.last_failure = std::chrono::system_clock::time_point(3s);
  row.failing_since = std::chrono::system_clock::time_point(2s);
  row.syn_to_synack = {4, 150us, 2ms};
  row.legs_left_out = 9;
  row.retrying = 10;
  row.retrying_dup_syn_segments = 16;
  row.retrying_dup_synack_segments = 17;
  row.rst_suspect = 11;
  row.answered_meanwhile = 12;
  row.stuck_tuples = 13;
  row.ecn_black_holes = 14;
  row.fast_open_black_holes = 15;
  return row;
}

TEST(TopJson, TellsHowAServiceDoes) {
  Top top;
  top.services = {service_row()};
  top.services[0].health = {.is = HealthState::failing,
                            .since = std::chrono::system_clock::time_point(5s),
                            .figures = {.succeeded = 1, .failed = 9, .retried = 1},
                            .before = HealthState::ok,
                            .figures_before = {},
                            .times = {}};
  const json state = json::parse(top_reply(top))["rows"].at(0)["state"];
  EXPECT_EQ(state, (json{{"is", "failing"},
                         {"since", "1970-01-01T00:00:05.000000Z"},
                         {"ended", 10},
                         {"failed", 9},
                         {"retried", 1},
                         {"before", {{"is", "ok"}, {"ended", 0}, {"failed", 0}, {"retried", 0}}}}));
}

TEST(TopJson, NamesServices) {
  TopServiceRow row = service_row();
  EXPECT_EQ(service_name(row), "tx [2001:db8::2]:443");
  row.address = "192.0.2.1";
  row.responder_local = true;
  EXPECT_EQ(service_name(row), "both 192.0.2.1:443");
  row.initiator_local = false;
  EXPECT_EQ(service_name(row), "rx 192.0.2.1:443");
  row.responder_local = false;
  EXPECT_EQ(service_name(row), "neither 192.0.2.1:443");
}

TEST(TopJson, TellsServices) {
  Top top;
  top.recent_at_least = 300s;
  top.recent_at_most = 600s;
  top.unlisted_failures = 3;
  top.services = {service_row()};
  top.others.success = 77;
  top.services_known = 5;
  top.services_displaced = 2;
  const json reply = json::parse(top_reply(top));
  EXPECT_EQ(reply["schema"], 1);
  EXPECT_EQ(reply["by"], "service");
  EXPECT_EQ(reply["recent_seconds"], (json{{"min", 300}, {"max", 600}}));
  EXPECT_EQ(reply["bounds"],
            (json{{"unlisted_recent_failures", 3}, {"services", 5}, {"services_displaced", 2}}));
  EXPECT_EQ(reply["others"]["success"], 77);
  EXPECT_FALSE(reply["others"].contains("responder"));
  const json& row = reply["rows"].at(0);
  EXPECT_EQ(row["responder"], (json{{"address", "2001:db8::2"}, {"port", 443}}));
  EXPECT_EQ(row["direction"], "tx");
  EXPECT_EQ(row["attempts"], 21);
  EXPECT_EQ(row["failure"], (json{{"total", 45},
                                  {"refused", 1},
                                  {"reset", 2},
                                  {"aborted", 3},
                                  {"half_open", 4},
                                  {"probe", 5},
                                  {"no_answer", 6},
                                  {"no_ack", 7},
                                  {"superseded", 8},
                                  {"unreachable", 9},
                                  {"rst_suspect", 11}}));
  EXPECT_EQ(row["retrying"], 10);
  EXPECT_EQ(row["retrying_dup_syn_segments"], 16);
  EXPECT_EQ(row["retrying_dup_synack_segments"], 17);
  EXPECT_EQ(row["answered_meanwhile"], 12);
  EXPECT_EQ(row["patterns"],
            (json{{"stuck_tuple", 13}, {"ecn_black_hole", 14}, {"fast_open_black_hole", 15}}));
  EXPECT_EQ(row["recent"], (json{{"attempts", 8}, {"failures", 5}}));
  EXPECT_EQ(row["counting_since"], "1970-01-01T00:00:01.000000Z");
  EXPECT_EQ(row["failing_since"], "1970-01-01T00:00:02.000000Z");
  EXPECT_TRUE(row["last_success"].is_null());
  EXPECT_TRUE(row["state"].is_null());
  EXPECT_EQ(row["legs_seconds"]["syn_to_synack"],
            (json{{"count", 4}, {"p50", 0.00015}, {"p99", 0.002}}));
  EXPECT_TRUE(row["legs_seconds"]["synack_to_ack"]["p99"].is_null());
  EXPECT_EQ(row["legs_seconds"]["left_out"], 9);
}

TEST(TopJson, NamesDirections) {
  for (const auto& [responder, initiator, word] :
       {std::tuple{true, false, "rx"}, std::tuple{false, true, "tx"},
        std::tuple{true, true, "both"}, std::tuple{false, false, "neither"}}) {
    Top top;
    top.services.resize(1);
    top.services[0].responder_local = responder;
    top.services[0].initiator_local = initiator;
    EXPECT_EQ(json::parse(top_reply(top))["rows"][0]["direction"], word);
  }
}

TEST(TopJson, TellsPeersWithTheirErrors) {
  Top top;
  top.request.by = TopBy::pair;
  top.attempts_error = 12;
  TopPeerRow row;
  row.initiator = "192.0.2.1";
  row.responder = "192.0.2.2";
  row.attempts = 50;
  row.failures.total = 10;
  row.failures.causes.no_ack = 8;
  row.failures_error = 2;
  row.first_failure = std::chrono::system_clock::time_point(1s);
  top.peers = {row};
  const json reply = json::parse(top_reply(top));
  EXPECT_EQ(reply["by"], "pair");
  EXPECT_FALSE(reply.contains("others"));
  EXPECT_EQ(reply["bounds"], (json{{"unlisted_recent_failures", 0}, {"attempts_error", 12}}));
  const json& told = reply["rows"].at(0);
  EXPECT_EQ(told["initiator"], "192.0.2.1");
  EXPECT_EQ(told["responder"], "192.0.2.2");
  EXPECT_FALSE(told.contains("network"));
  EXPECT_EQ(told["recent"]["attempts"], 50);
  EXPECT_EQ(told["recent"]["failure"]["total"], 10);
  EXPECT_EQ(told["recent"]["failure"]["error"], 2);
  EXPECT_EQ(told["recent"]["failure"]["no_ack"], 8);
  EXPECT_TRUE(told["last_failure"].is_null());
}

TEST(TopJson, QuotesWhatClientsSent) {
  const json reply = json::parse(error_reply("\"\xff\n: not allowed"));
  EXPECT_EQ(reply["error"], "\"\xef\xbf\xbd\n: not allowed");
}

}  // namespace
}  // namespace tcpeek::ipc
