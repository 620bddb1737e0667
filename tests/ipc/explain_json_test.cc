// The reply to EXPLAIN, member by member. That it follows docs/schema/explain.json is live/test_explain.py's.
#include "ipc/explain_json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace tcpeek::ipc {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

Finding finding() {
  Finding finding;
  finding.verdict = Verdict::there;
  finding.rule = "nobody_listens_there";
  finding.subject = "2001:db8::2, port 443";
  finding.direction = "tx";
  finding.services = {{"2001:db8::2", 443}};
  finding.service_count = 1;
  finding.sentence = "Nobody listens.";
  finding.evidence = {"9 of 10 attempts were refused"};
  finding.limits = {"a firewall may refuse in its name", "two"};
  finding.next = {"nc -vz 2001:db8::2 443"};
  finding.figures = {10, 1, 2, 1, {9, {1, 2, 3, 4, 5, 6, 7, 8, 9}}, 3, 5, 4};
  finding.times.counting_since = std::chrono::system_clock::time_point(1s);
  finding.times.failing_since = std::chrono::system_clock::time_point(2s);
  finding.times.last_success = std::chrono::system_clock::time_point(1s);
  return finding;
}

TEST(ExplainJson, TellsFindings) {
  Explanation explanation;
  explanation.recent_at_least = 300s;
  explanation.recent_at_most = 600s;
  explanation.summary = "9 of 12 attempts failed.";
  explanation.findings = {finding()};
  explanation.more_findings = 7;
  explanation.services_examined = 5;
  explanation.services_known = 6;
  explanation.unlisted_failures = 2;
  const json reply = json::parse(explain_reply(explanation));
  EXPECT_EQ(reply["schema"], 1);
  EXPECT_EQ(reply["time"], "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(reply["recent_seconds"], (json{{"min", 300}, {"max", 600}}));
  EXPECT_EQ(reply["summary"], "9 of 12 attempts failed.");
  EXPECT_EQ(reply["uncertain"], false);
  EXPECT_EQ(reply["doubts"], json::array());
  EXPECT_EQ(reply["bounds"], (json{{"more_findings", 7},
                                   {"services", 6},
                                   {"services_examined", 5},
                                   {"unlisted_recent_failures", 2}}));
  const json& told = reply["findings"].at(0);
  EXPECT_EQ(told["verdict"], "there");
  EXPECT_EQ(told["rule"], "nobody_listens_there");
  EXPECT_EQ(told["sentence"], "Nobody listens.");
  EXPECT_EQ(told["subject"],
            (json{{"text", "2001:db8::2, port 443"},
                  {"direction", "tx"},
                  {"count", 1},
                  {"services", json::array({{{"address", "2001:db8::2"}, {"port", 443}}})}}));
  EXPECT_EQ(told["evidence"], json::array({"9 of 10 attempts were refused"}));
  EXPECT_EQ(told["limits"].size(), 2U);
  EXPECT_EQ(told["next"], json::array({"nc -vz 2001:db8::2 443"}));
  EXPECT_EQ(told["figures"]["retrying"], 1);
  EXPECT_EQ(told["figures"]["failure"]["total"], 9);
  EXPECT_EQ(told["figures"]["failure"]["unreachable"], 9);
  EXPECT_EQ(told["figures"]["recent"], (json{{"attempts", 5}, {"failures", 4}}));
  EXPECT_EQ(told["since"]["failing_since"], "1970-01-01T00:00:02.000000Z");
  EXPECT_EQ(told["since"]["never_worked"], false);
  EXPECT_TRUE(told["since"]["last_failure"].is_null());
}

TEST(ExplainJson, SaysWhatMakesFiguresUncertain) {
  Explanation explanation;
  explanation.summary = "x";
  explanation.doubts = {"5 packets were \"lost\""};
  explanation.attempts = 1;
  explanation.success = 2;
  explanation.failures = 3;
  explanation.pending = 4;
  explanation.retrying = 5;
  explanation.evicted = 6;
  const json reply = json::parse(explain_reply(explanation));
  EXPECT_EQ(reply["uncertain"], true);
  EXPECT_EQ(reply["doubts"], json::array({"5 packets were \"lost\""}));
  EXPECT_EQ(reply["findings"], json::array());
  EXPECT_EQ(reply["totals"], (json{{"attempts", 1},
                                   {"success", 2},
                                   {"failures", 3},
                                   {"pending", 4},
                                   {"retrying", 5},
                                   {"evicted", 6}}));
}

TEST(ExplainJson, HasAWordForEachVerdict) {
  for (const auto& [verdict, expected] :
       {std::pair{Verdict::here, "here"}, std::pair{Verdict::there, "there"},
        std::pair{Verdict::path, "path"}, std::pair{Verdict::initiator, "initiator"},
        std::pair{Verdict::unknown, "unknown"}}) {
    Explanation explanation;
    explanation.findings = {finding()};
    explanation.findings[0].verdict = verdict;
    EXPECT_EQ(json::parse(explain_reply(explanation))["findings"][0]["verdict"], expected);
  }
}

}  // namespace
}  // namespace tcpeek::ipc
