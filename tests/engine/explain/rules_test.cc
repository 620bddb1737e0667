// Each rule: what makes it fire, and what must not.
#include "engine/explain/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/engine/explain/explain_support.h"

namespace tcpeek::engine {
namespace {

using ipc::FailureCounts;
using ipc::Verdict;
using test::failing;
using test::first_told;
using test::input;
using test::kNow;
using test::service;
using test::succeeding;
using test::told;
using test::Way;
using test::went_down;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kNoAnswer = &FailureCounts::no_answer;
constexpr auto kRefused = &FailureCounts::refused;
constexpr auto kReset = &FailureCounts::reset;
constexpr auto kNoAck = &FailureCounts::no_ack;

ServiceFacts silent(Way way, const char* address, std::uint16_t port = 443,
                    std::uint64_t count = 5) {
  return failing(service(way, address, port), kNoAnswer, count);
}

ServiceFacts by(ServiceFacts facts, Spread spread, std::vector<InitiatorFacts> initiators = {}) {
  facts.spread = spread;
  facts.initiators = std::move(initiators);
  return facts;
}

TEST(ExplainRules, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const Rule& rule : rules()) names.insert(rule.name);
  EXPECT_EQ(names.size(), rules().size());
}

TEST(ExplainRules, NoneFiresForWhatIsHealthy) {
  for (const Way way : {Way::rx, Way::tx, Way::both, Way::neither}) {
    const auto all = input({succeeding(service(way, "10.0.0.1"))});
    for (const Rule& rule : rules()) {
      EXPECT_FALSE(rule.fires(Case(all, all.services[0]))) << rule.name;
    }
  }
}

// What a reader of a finding relies on, whatever the rule.
TEST(ExplainRules, EachFindingHasASentenceEvidenceLimitsAndACommand) {
  ServiceFacts everything =
      by(succeeding(service(Way::rx, "10.0.0.1")), Spread::few, {{"10.0.0.9", 50, 50}});
  for (const auto cause :
       {kNoAnswer, kRefused, kReset, kNoAck, &FailureCounts::half_open, &FailureCounts::probe,
        &FailureCounts::aborted, &FailureCounts::unreachable}) {
    everything.causes.*cause = 50;
  }
  everything.causes.no_answer = 200;
  everything.attempts = 700;
  everything.repeated_successes = everything.option_black_holes = 50;
  everything.stuck_tuples = everything.rst_suspect = 100;
  std::set<std::string_view> fired;
  for (const Way way : {Way::rx, Way::tx, Way::neither}) {
    for (const bool works : {true, false}) {
      for (const bool busy : {true, false}) {
        ServiceFacts facts = everything;
        facts.row.responder_local = way == Way::rx;
        facts.row.initiator_local = way == Way::tx;
        if (!works) {
          facts.row.last_success.reset();
          facts.causes.refused = facts.causes.reset = facts.causes.no_ack = 0;
        }
        const auto neighbour =
            busy ? succeeding(service(way, "10.0.0.2")) : silent(way, "10.0.0.2");
        ExplainInput all =
            input({facts, neighbour, silent(way, "10.0.0.3"),
                   busy ? silent(way, "10.0.0.1", 80) : silent(way, "10.0.0.1", 81)});
        if (busy) all.queues = {{"::", 443, true, QueueFacts::Kernel::confirms, 128, 128, 7}};
        for (const Rule& rule : rules()) {
          const auto finding = rule.fires(Case(all, all.services[0]));
          if (!finding) continue;
          fired.insert(rule.name);
          EXPECT_TRUE(finding->sentence.ends_with('.')) << finding->sentence;
          EXPECT_THAT(finding->evidence, Not(IsEmpty())) << rule.name;
          EXPECT_THAT(finding->limits, Not(IsEmpty())) << rule.name;
          EXPECT_THAT(finding->next, Not(IsEmpty())) << rule.name;
          EXPECT_GT(finding->figures.recent_failures, 0U) << rule.name;
          EXPECT_LE(finding->evidence.size() + 1, 16U) << "as the schema says";
        }
      }
    }
  }
  // Needs a sibling port that answers; it has a test of its own.
  EXPECT_GE(fired.size(), rules().size() - 1);
}

// Refusals.

TEST(ExplainRules, RefusedHere) {
  const auto never =
      told("refused_here", input({failing(service(Way::rx, "10.0.0.1"), kRefused, 5)}));
  ASSERT_TRUE(never);
  EXPECT_EQ(never->verdict, Verdict::here);
  EXPECT_EQ(never->sentence, "Nobody listens on 10.0.0.1:443 on this host.");
  EXPECT_TRUE(never->times.never_worked);
  EXPECT_FALSE(never->times.failing_since) << "it never worked, so it is not failing since then";
  const auto down =
      told("refused_here", input({went_down(failing(service(Way::rx, "10.0.0.1"), kRefused, 5))}));
  EXPECT_THAT(down->sentence, HasSubstr("any more: the service went down 60 s ago"));
  EXPECT_TRUE(down->times.failing_since);
  const auto some =
      told("refused_here", input({succeeding(failing(service(Way::rx, "10.0.0.1"), kRefused, 5))}));
  EXPECT_THAT(some->sentence, HasSubstr("accepts others"));
  const auto reset =
      told("refused_here", input({failing(service(Way::rx, "10.0.0.1"), kReset, 5)}));
  EXPECT_THAT(reset->sentence, HasSubstr("answers and then resets"));
  EXPECT_FALSE(told("refused_here", input({failing(service(Way::tx, "10.0.0.1"), kRefused, 5)})));
  EXPECT_FALSE(told("refused_here", input({silent(Way::rx, "10.0.0.1")})));
}

TEST(ExplainRules, RefusedThere) {
  const auto all = input({failing(service(Way::tx, "2001:db8::1"), kRefused, 5)});
  const auto finding = told("refused_there", all);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::there);
  EXPECT_EQ(finding->sentence, "Nobody listens on [2001:db8::1]:443.");
  EXPECT_THAT(finding->next, Contains("nc -vz -w 3 2001:db8::1 443"));
  EXPECT_THAT(finding->next, Contains("traceroute -6 -n -T -p 443 2001:db8::1"));
  EXPECT_EQ(first_told(Concern::refusal, all), "refused_there");
  EXPECT_FALSE(told("refused_there", input({failing(service(Way::rx, "10.0.0.1"), kRefused, 5)})));
}

// It was restarted, worked, and is silent now: what refused then tells nothing of now.
TEST(ExplainRules, RefusalsBeforeTheLastSuccessArePast) {
  for (const Way way : {Way::rx, Way::tx}) {
    const char* const rule = way == Way::rx ? "refused_here" : "refused_there";
    auto facts = went_down(failing(silent(way, "10.0.0.1"), kRefused, 3));
    facts.last_refusal = kNow - std::chrono::minutes(7);
    const auto all = input({facts});
    const auto finding = told(rule, all);
    ASSERT_TRUE(finding);
    EXPECT_THAT(finding->sentence, HasSubstr("accepted others afterwards"));
    EXPECT_THAT(finding->evidence, Not(Contains(HasSubstr("is up"))));
    EXPECT_EQ(first_told(Concern::silence, all),
              way == Way::rx ? "dropped_in_silence" : "no_answer");
    const auto explanation = explain(all);
    ASSERT_EQ(explanation.findings.size(), 2U);
    EXPECT_NE(explanation.findings[0].rule, rule) << "what fails now comes first";
  }
}

TEST(ExplainRules, WhatIsNotKnownToFailSinceAnyTimeWentDownAtNone) {
  auto facts = went_down(failing(service(Way::rx, "10.0.0.1"), kRefused, 3));
  facts.row.failing_since.reset();
  facts.row.last_success = kNow - std::chrono::minutes(20);
  EXPECT_EQ(told("refused_here", input({facts}))->sentence,
            "Nobody listens on 10.0.0.1:443 on this host any more.");
}

TEST(ExplainRules, RefusedOnTheWayIsASuspicion) {
  auto facts = failing(service(Way::tx, "10.0.0.1"), kRefused, 5);
  EXPECT_FALSE(told("refused_on_the_way", input({facts})));
  facts.rst_suspect = 1;
  EXPECT_FALSE(told("refused_on_the_way", input({facts}))) << "most are not";
  facts.rst_suspect = 4;
  const auto finding = told("refused_on_the_way", input({facts}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::path);
  EXPECT_THAT(finding->sentence, HasSubstr("suspected"));
  EXPECT_THAT(finding->next, Contains("tcptraceroute -n 10.0.0.1 443"));
  EXPECT_EQ(first_told(Concern::refusal, input({facts})), "refused_on_the_way");
  facts.row.responder_local = true;
  EXPECT_FALSE(told("refused_on_the_way", input({facts})));
}

// SYN/ACKs without an ACK.

TEST(ExplainRules, HalfOpenScan) {
  const auto many = by(failing(service(Way::rx, "10.0.0.1"), kNoAck, 50), Spread::many);
  ASSERT_TRUE(told("half_open_scan", input({many})));
  EXPECT_EQ(told("half_open_scan", input({many}))->verdict, Verdict::initiator);
  const auto disowned = failing(service(Way::rx, "10.0.0.1"), &FailureCounts::half_open, 3);
  EXPECT_TRUE(told("half_open_scan", input({disowned})));
  EXPECT_FALSE(told("half_open_scan",
                    input({by(failing(service(Way::rx, "10.0.0.1"), kNoAck, 50), Spread::few)})));
  EXPECT_FALSE(told("half_open_scan",
                    input({failing(service(Way::rx, "10.0.0.1"), &FailureCounts::half_open, 2)})))
      << "who gave up twice is no scanner";
  EXPECT_FALSE(told("half_open_scan",
                    input({by(failing(service(Way::tx, "10.0.0.1"), kNoAck, 50), Spread::many)})));
  EXPECT_FALSE(
      told("half_open_scan",
           input({by(failing(silent(Way::rx, "10.0.0.1", 443, 400), kNoAck, 1), Spread::many)})))
      << "those who are many are the ones that get no answer";
}

TEST(ExplainRules, WayBack) {
  const auto all = input({by(succeeding(failing(service(Way::rx, "10.0.0.1"), kNoAck, 5)),
                             Spread::few, {{"10.9.9.9", 5, 5}})});
  EXPECT_EQ(first_told(Concern::unacknowledged, all), "way_back");
  const auto finding = told("way_back", all);
  EXPECT_EQ(finding->verdict, Verdict::path);
  EXPECT_THAT(finding->next, Contains("ip route get 10.9.9.9"));
  EXPECT_FALSE(told("way_back", input({failing(service(Way::tx, "10.0.0.1"), kNoAck, 5)})));
}

// Before the first of them times out.
TEST(ExplainRules, SynAcksRepeatedNowAreNotAcknowledged) {
  for (const Way way : {Way::rx, Way::tx}) {
    const char* const rule = way == Way::rx ? "way_back" : "synack_dropped_here";
    auto facts = succeeding(service(way, "10.0.0.1"));
    facts.retrying = 4;
    facts.row.last_success = kNow - std::chrono::seconds(30);
    EXPECT_FALSE(told(rule, input({facts}))) << "nobody is answered";
    EXPECT_NE(first_told(Concern::silence, input({facts})), "");
    facts.answered_retrying = 4;
    const auto finding = told(rule, input({facts}));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->figures.recent_failures, 4U);
    EXPECT_THAT(finding->evidence, Contains(HasSubstr("4 of them being answered again now")));
    EXPECT_EQ(first_told(Concern::silence, input({facts})), "") << "all are answered";
    facts.retrying = 6;
    EXPECT_NE(first_told(Concern::silence, input({facts})), "") << "two are not";
    facts.retrying = 4;
    facts.repeated_successes = 8;
    facts.row.last_success = kNow;
    EXPECT_FALSE(told(rule, input({facts}))) << "a second SYN/ACK gets through";
  }
}

TEST(ExplainRules, SynAckDroppedHere) {
  const auto finding =
      told("synack_dropped_here", input({failing(service(Way::tx, "10.0.0.1"), kNoAck, 5)}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::here);
  EXPECT_THAT(finding->next, Contains("nft list ruleset"));
  EXPECT_FALSE(
      told("synack_dropped_here", input({failing(service(Way::rx, "10.0.0.1"), kNoAck, 5)})));
  EXPECT_FALSE(told("synack_dropped_here", input({silent(Way::tx, "10.0.0.1")})));
}

// The rest.

TEST(ExplainRules, RouterSays) {
  auto facts = failing(service(Way::tx, "10.0.0.1"), &FailureCounts::unreachable, 5);
  EXPECT_EQ(told("router_says", input({facts}))->verdict, Verdict::unknown) << "nobody is known";
  facts.router = {"10.5.5.5", "no route", false, 5};
  const auto finding = told("router_says", input({facts}));
  EXPECT_EQ(finding->verdict, Verdict::path);
  EXPECT_EQ(finding->sentence, "The router 10.5.5.5 says of 10.0.0.1:443: no route.");
  EXPECT_THAT(finding->next, Contains("ip route get 10.0.0.1"));
  facts.router->is_responder = true;
  EXPECT_EQ(told("router_says", input({facts}))->verdict, Verdict::there);
  EXPECT_FALSE(told("router_says", input({silent(Way::tx, "10.0.0.1")})));
}

TEST(ExplainRules, LossOnPath) {
  auto facts = succeeding(service(Way::tx, "10.0.0.1"), 100);
  facts.repeated_successes = 4;
  EXPECT_FALSE(told("loss_on_path", input({facts}))) << "too few to say anything";
  facts.repeated_successes = 5;
  const auto finding = told("loss_on_path", input({facts}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::path);
  EXPECT_THAT(finding->sentence, HasSubstr("5.0% of the attempts"));
  facts.attempts = 1000;
  EXPECT_FALSE(told("loss_on_path", input({facts}))) << "half a percent is the Internet";
  facts.attempts = 100;
  facts.row.responder_local = true;
  EXPECT_EQ(told("loss_on_path", input({facts}))->verdict, Verdict::here)
      << "the SYN that was not answered did arrive";
  facts.answered_twice = 5;
  EXPECT_EQ(told("loss_on_path", input({facts}))->verdict, Verdict::path) << "it was answered, too";
  EXPECT_THAT(told("loss_on_path", input({facts}))->sentence, HasSubstr("way back"));
  facts.answered_twice = 3;
  EXPECT_EQ(told("loss_on_path", input({facts}))->verdict, Verdict::unknown);
}

TEST(ExplainRules, OptionBlackHole) {
  auto facts = succeeding(service(Way::tx, "10.0.0.1"), 100);
  facts.repeated_successes = 10;
  facts.option_black_holes = 4;
  EXPECT_FALSE(told("option_black_hole", input({facts}))) << "most had no option";
  EXPECT_EQ(first_told(Concern::repeats, input({facts})), "loss_on_path");
  facts.option_black_holes = 10;
  ASSERT_TRUE(told("option_black_hole", input({facts})));
  EXPECT_EQ(told("option_black_hole", input({facts}))->verdict, Verdict::path);
  EXPECT_EQ(first_told(Concern::repeats, input({facts})), "option_black_hole");
}

TEST(ExplainRules, Probes) {
  const auto probed = [](std::uint64_t count) {
    return input({failing(succeeding(service(Way::rx, "10.0.0.1")), &FailureCounts::probe, count)});
  };
  ASSERT_TRUE(told("probes", probed(3)));
  EXPECT_EQ(told("probes", probed(3))->verdict, Verdict::initiator);
  EXPECT_FALSE(told("probes", probed(2)));
}

TEST(ExplainRules, GaveUp) {
  ASSERT_TRUE(
      told("gave_up", input({failing(service(Way::rx, "10.0.0.1"), &FailureCounts::aborted, 3)})));
  EXPECT_FALSE(
      told("gave_up", input({failing(service(Way::rx, "10.0.0.1"), &FailureCounts::aborted, 2)})));
  EXPECT_FALSE(
      told("gave_up", input({failing(service(Way::rx, "10.0.0.1"), &FailureCounts::half_open, 3)})))
      << "that is a scan";
}

// Behind a mirror "here" is less.
TEST(ExplainRules, OnAMirrorHereIsTheNearNetwork) {
  auto facts = silent(Way::rx, "10.0.0.1");
  facts.own = false;
  const auto finding = told("dropped_in_silence", input({facts}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->sentence, HasSubstr("the near network silently drops"));
  EXPECT_THAT(finding->limits, Contains(HasSubstr("not seen on the host itself")));
  facts.row.initiator_local = true;  // both ends are in networks given by --local
  EXPECT_EQ(first_told(Concern::silence, input({facts})), "no_answer");
}

// Of whatever rule.
TEST(ExplainRules, TimeoutsWhilePacketsWereLostAreALimit) {
  const auto lost = HasSubstr("while the capture lost packets");
  for (const Way way : {Way::rx, Way::tx}) {
    for (const auto cause : {kNoAnswer, kNoAck, kRefused}) {
      auto facts = failing(service(way, "10.0.0.1"), cause, 5);
      EXPECT_THAT(explain(input({facts})).findings.at(0).limits, Not(Contains(lost)));
      facts.uncertain = 4;
      const ipc::Finding finding = explain(input({facts})).findings.at(0);
      if (cause == kRefused) {
        EXPECT_THAT(finding.limits, Not(Contains(lost))) << "a RST came";
      } else {
        EXPECT_THAT(finding.limits, Contains(lost)) << finding.rule;
      }
    }
  }
}

}  // namespace
}  // namespace tcpeek::engine
