// Any input of EXPLAIN, and what must hold of what is told about it: for tests with random numbers and for
// the fuzz target.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "engine/explain/explain.h"
#include "engine/explain/rules.h"
#include "ipc/explain_json.h"

namespace tcpeek::engine::test {

// `next(most)`: a number from 0 to `most`.
template <class Next>
class AnyInput {
 public:
  explicit AnyInput(Next next) : next_(next) {}

  ExplainInput input() {
    ExplainInput all;
    all.taken = time().value_or(std::chrono::system_clock::time_point());
    all.whole_file = flag();
    all.recent_at_least = std::chrono::minutes(5);
    all.recent_at_most = std::chrono::minutes(10);
    for (std::uint64_t n = next_(20); n > 0; --n) all.services.push_back(service());
    for (std::uint64_t n = next_(3); n > 0; --n) {
      all.queues.push_back({flag() ? "::" : "10.0.0.1", port(), flag(),
                            static_cast<QueueFacts::Kernel>(next_(2)), small(), small(), few()});
    }
    for (std::uint64_t* count :
         {&all.attempts, &all.success, &all.failures, &all.pending, &all.retrying, &all.evicted,
          &all.uncertain, &all.lost_packets, &all.services_known, &all.unlisted_failures}) {
      *count = few();
    }
    return all;
  }

 private:
  bool flag() { return next_(1) == 1; }
  std::uint64_t few() { return next_(2) == 0 ? next_(200) : 0; }
  std::uint32_t small() { return static_cast<std::uint32_t>(next_(8)); }
  std::uint16_t port() { return static_cast<std::uint16_t>(1 + next_(4)); }
  ipc::TopTime time() {
    if (flag()) return std::nullopt;
    return std::chrono::system_clock::time_point(std::chrono::seconds(next_(100'000)));
  }

  ServiceFacts service() {
    ServiceFacts facts;
    ipc::TopServiceRow& row = facts.row;
    const std::string network = flag() ? "10.0." + std::to_string(next_(1)) : "2001:db8::";
    const bool v4 = network.front() == '1';
    row.address = network + (v4 ? "." : "") + std::to_string(1 + next_(4));
    facts.network = network + (v4 ? ".0/24" : "/48");
    row.port = port();
    row.responder_local = flag();
    row.initiator_local = flag();
    facts.own = flag();
    row.counting_since = time();
    row.last_success = time();
    row.failing_since = time();
    row.last_failure = time();
    facts.last_refusal = time();
    row.success = few();
    row.attempts = few();
    row.pending = few();
    row.answered_meanwhile = few();
    facts.attempts = few();
    for (std::uint64_t* count :
         {&facts.causes.refused, &facts.causes.reset, &facts.causes.aborted,
          &facts.causes.half_open, &facts.causes.probe, &facts.causes.no_answer,
          &facts.causes.no_ack, &facts.causes.superseded, &facts.causes.unreachable,
          &facts.repeated_successes, &facts.answered_twice, &facts.answered_retrying,
          &facts.uncertain, &facts.stuck_tuples, &facts.option_black_holes, &facts.rst_suspect,
          &facts.failed_in_a_row, &facts.retrying}) {
      *count = few();
    }
    row.failures = {facts.causes.total(), facts.causes};
    facts.spread = static_cast<Spread>(next_(2));
    for (std::uint64_t n = next_(3); n > 0; --n)
      facts.initiators.push_back({"10.9.9.9", few(), few()});
    if (flag()) facts.router = {"10.8.8.8", "no route", flag(), few()};
    return facts;
  }

  Next next_;
};

inline void check_finding(const ipc::Finding& finding) {
  const auto known = [&](const Rule& rule) { return rule.name == finding.rule; };
  EXPECT_TRUE(std::ranges::any_of(rules(), known)) << finding.rule;
  EXPECT_TRUE(finding.sentence.ends_with('.')) << finding.sentence;
  for (const auto* texts : {&finding.evidence, &finding.limits, &finding.next}) {
    EXPECT_FALSE(texts->empty()) << finding.rule;
    EXPECT_LE(texts->size(), 16U) << "as the schema says";
    for (const std::string& text : *texts) {
      EXPECT_FALSE(text.empty() || text.find('\n') != std::string::npos) << finding.rule;
    }
  }
  EXPECT_GT(finding.figures.recent_failures, 0U) << "it is about something";
  EXPECT_FALSE(finding.services.empty());
  EXPECT_LE(finding.services.size(), ipc::Finding::kMostServices);
  EXPECT_LE(finding.services.size(), finding.service_count);
  if (finding.direction == "neither") {
    EXPECT_NE(finding.verdict, ipc::Verdict::here) << "neither end is near";
  }
}

inline void check_explanation(const ExplainInput& input, const ipc::Explanation& told) {
  EXPECT_FALSE(told.summary.empty());
  EXPECT_LE(told.findings.size(), ipc::Explanation::kMostFindings);
  EXPECT_TRUE(told.findings.size() == ipc::Explanation::kMostFindings || told.more_findings == 0);
  EXPECT_EQ(told.doubts.empty(), input.lost_packets + input.uncertain + input.evicted == 0);
  for (const ipc::Finding& finding : told.findings) check_finding(finding);
  const auto parsed = nlohmann::json::parse(ipc::explain_reply(told));
  EXPECT_EQ(parsed.at("findings").size(), told.findings.size());
}

}  // namespace tcpeek::engine::test
