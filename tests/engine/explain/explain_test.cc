// Which findings are told, in which order, and what is told as one.
#include "engine/explain/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/engine/explain/any_input.h"
#include "tests/engine/explain/explain_support.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using ipc::FailureCounts;
using test::failing;
using test::input;
using test::service;
using test::succeeding;
using test::Way;
using test::went_down;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr auto kRefused = &FailureCounts::refused;
constexpr auto kNoAnswer = &FailureCounts::no_answer;

std::vector<std::string> subjects(const ipc::Explanation& explanation) {
  std::vector<std::string> all;
  for (const ipc::Finding& finding : explanation.findings) all.push_back(finding.subject);
  return all;
}

TEST(Explain, SaysThatNothingFails) {
  const auto healthy = explain(input({succeeding(service(Way::rx, "10.0.0.1"), 12)}));
  EXPECT_EQ(healthy.summary, "Nothing fails: 12 of 12 attempts since the start succeeded.");
  EXPECT_THAT(healthy.findings, IsEmpty());
  EXPECT_THAT(explain(input({})).summary, HasSubstr("No connection attempt has been seen"));
  auto waiting = input({succeeding(service(Way::rx, "10.0.0.1"), 12)});
  waiting.pending = waiting.retrying = 3;
  EXPECT_THAT(explain(waiting).summary, HasSubstr("Nothing has failed yet: 12 of"));
}

TEST(Explain, WhatFailedLongAgoDoesNotFailNow) {
  auto facts = succeeding(service(Way::rx, "10.0.0.1"), 12);
  facts.row.failures = {5, {.refused = 5}};
  facts.row.attempts += 5;
  const auto told = explain(input({facts}));
  EXPECT_THAT(told.findings, IsEmpty());
  EXPECT_THAT(told.summary, HasSubstr("Nothing fails in the last 5 to 10 minutes"));
  EXPECT_THAT(told.summary, HasSubstr("5 failed"));
}

TEST(Explain, TellsWhatWentDownFirst) {
  const auto busy = succeeding(failing(service(Way::tx, "10.0.1.1"), kRefused, 100), 100'000);
  const auto half = succeeding(failing(service(Way::tx, "10.0.2.1"), kRefused, 50), 100);
  const auto never = failing(service(Way::tx, "10.0.3.1"), kRefused, 20);
  const auto down = went_down(failing(service(Way::tx, "10.0.4.1"), kRefused, 4));
  auto late = succeeding(service(Way::tx, "10.0.5.1"), 1000);
  late.repeated_successes = 20;
  const auto told = explain(input({late, busy, half, never, down}));
  EXPECT_THAT(subjects(told), ElementsAre("10.0.4.1:443", "10.0.3.1:443", "10.0.2.1:443"));
  EXPECT_EQ(told.more_findings, 2U);
  EXPECT_EQ(told.summary.substr(0, 3), "174") << told.summary;
  EXPECT_THAT(told.summary, Not(HasSubstr("that fail most")));
  ExplainInput more = input({down});
  more.unlisted_failures = 3;
  EXPECT_THAT(explain(more).summary, HasSubstr("attempts at the 1 services that fail most failed"));
}

TEST(Explain, PutsPortsOfOneHostTogether) {
  ExplainInput all = input({});
  for (std::uint16_t port = 1; port <= 30; ++port) {
    all.services.push_back(failing(service(Way::rx, "10.0.0.1", port), kRefused, 2));
  }
  all.services[7].row.failing_since = test::kNow - std::chrono::hours(2);
  all.services[7].row.last_success = test::kNow - std::chrono::hours(3);
  all.services[7].row.success = 1;
  all.attempts = all.failures = 60;
  const auto told = explain(all);
  ASSERT_THAT(told.findings, SizeIs(1));
  const ipc::Finding& finding = told.findings[0];
  EXPECT_EQ(finding.subject, "30 ports of 10.0.0.1");
  EXPECT_EQ(finding.service_count, 30U);
  EXPECT_THAT(finding.services, SizeIs(ipc::Finding::kMostServices));
  EXPECT_EQ(finding.figures.recent_failures, 60U);
  EXPECT_EQ(finding.figures.failures.causes.refused, 60U);
  EXPECT_EQ(finding.times.failing_since, test::kNow - std::chrono::hours(2));
  EXPECT_FALSE(finding.times.never_worked);
  EXPECT_THAT(finding.sentence, HasSubstr("; the same holds for 29 more services."));
  EXPECT_THAT(finding.evidence.back(), HasSubstr("and 22 more"));
}

// One port of it is dead, the other one was restarted; three of ten SYNs that get lost are another matter.
TEST(Explain, KeepsApartWhatIsNotTheSame) {
  const auto told =
      explain(input({failing(service(Way::rx, "10.0.0.1", 8080), kRefused, 500),
                     succeeding(failing(service(Way::rx, "10.0.0.1", 443), kRefused, 3), 1000)}));
  ASSERT_THAT(told.findings, SizeIs(2));
  EXPECT_EQ(told.findings[0].sentence, "Nobody listens on 10.0.0.1:8080 on this host.");
  EXPECT_TRUE(told.findings[0].times.never_worked);
  EXPECT_THAT(told.findings[1].sentence, HasSubstr("accepts others"));
}

TEST(Explain, PutsHostsOfADarkNetworkTogether) {
  const auto told = explain(input({failing(service(Way::tx, "10.0.0.1"), kNoAnswer, 2),
                                   failing(service(Way::tx, "10.0.0.2"), kNoAnswer, 2),
                                   failing(service(Way::tx, "10.0.0.3"), kNoAnswer, 2)}));
  ASSERT_THAT(told.findings, SizeIs(1));
  EXPECT_EQ(told.findings[0].rule, "network_dark");
  EXPECT_EQ(told.findings[0].subject, "10.0.0.0/24");
}

// A service may have several concerns, each with a verdict of its own.
TEST(Explain, VerdictsMayStandSideBySide) {
  auto facts = failing(service(Way::tx, "10.0.0.1"), &FailureCounts::no_ack, 5);
  facts = failing(facts, &FailureCounts::unreachable, 4);
  facts = succeeding(facts);
  const auto told = explain(input({facts}));
  ASSERT_THAT(told.findings, SizeIs(2));
  EXPECT_EQ(told.findings[0].rule, "synack_dropped_here");
  EXPECT_EQ(told.findings[1].rule, "router_says");
}

// A scan hides no outage and is none.
TEST(Explain, AScanComesAfterAnOutage) {
  const auto scanned = failing(service(Way::rx, "10.0.0.1"), &FailureCounts::half_open, 5000);
  const auto down = went_down(failing(service(Way::rx, "10.0.0.1", 80), kRefused, 3));
  const auto told = explain(input({scanned, down}));
  ASSERT_THAT(told.findings, SizeIs(2));
  EXPECT_EQ(told.findings[0].rule, "refused_here");
  EXPECT_EQ(told.findings[1].rule, "half_open_scan");
  EXPECT_THAT(told.summary, HasSubstr("3 of "));
  EXPECT_THAT(explain(input({scanned})).summary, HasSubstr("Nothing fails"));
}

TEST(Explain, LossesMakeFiguresUncertain) {
  ExplainInput all = input({succeeding(service(Way::rx, "10.0.0.1"))});
  EXPECT_THAT(explain(all).doubts, IsEmpty());
  all.lost_packets = 5;
  all.uncertain = 1;
  all.evicted = 2;
  EXPECT_THAT(explain(all).doubts,
              ElementsAre(HasSubstr("lost 5 packets"), HasSubstr("1 attempt timed out"),
                          HasSubstr("2 attempts were given up")));
}

TEST(Explain, OfAFileAllOfItCounts) {
  ExplainInput all = input({went_down(failing(service(Way::rx, "10.0.0.1"), kRefused, 5))});
  all.whole_file = true;
  all.taken += std::chrono::hours(24 * 7);
  const auto told = explain(all);
  ASSERT_THAT(told.findings, SizeIs(1));
  EXPECT_EQ(told.summary,
            "5 of 15 attempts in the file failed, 10 succeeded, 0 still pending at its end.");
  EXPECT_THAT(told.findings[0].sentence, HasSubstr("7 days before the end of the file"));
}

TEST(Explain, HoldsItsPromisesWhateverTheFigures) {
  tcpeek::test::for_each_seed(300, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto next = [&](std::uint64_t most) { return random() % (most + 1); };
    const ExplainInput any = test::AnyInput(next).input();
    test::check_explanation(any, explain(any));
  });
}

// A command that looks into a host is no use elsewhere.
TEST(Explain, SaysWhereToRunWhat) {
  auto facts = failing(service(Way::rx, "10.0.0.1"), kRefused, 5);
  EXPECT_EQ(explain(input({facts})).findings.at(0).next.at(0), "ss -ltnp 'sport = :443'");
  facts.own = false;
  EXPECT_EQ(explain(input({facts})).findings.at(0).next.at(0),
            "ss -ltnp 'sport = :443'  # on 10.0.0.1");
  facts = failing(service(Way::tx, "10.0.0.1"), kRefused, 5);
  facts.own = false;
  EXPECT_EQ(explain(input({facts})).findings.at(0).next.at(0), "nc -vz -w 3 10.0.0.1 443");
}

}  // namespace
}  // namespace tcpeek::engine
