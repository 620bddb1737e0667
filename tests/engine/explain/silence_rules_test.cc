// The rules about SYNs that nobody answers: what makes each fire, and what must not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/explain/rules.h"
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

constexpr auto kRefused = &FailureCounts::refused;

ServiceFacts silent(Way way, const char* address, std::uint16_t port = 443,
                    std::uint64_t count = 5) {
  return failing(service(way, address, port), &FailureCounts::no_answer, count);
}

ServiceFacts by(ServiceFacts facts, Spread spread, std::vector<InitiatorFacts> initiators = {}) {
  facts.spread = spread;
  facts.initiators = std::move(initiators);
  return facts;
}

// Silence, where the responder is near.

TEST(ExplainRules, AcceptQueueFull) {
  using Kernel = QueueFacts::Kernel;
  auto all = input({succeeding(silent(Way::rx, "10.0.0.1"))});
  EXPECT_FALSE(told("accept_queue_full", all)) << "nothing is known of the queue";
  QueueFacts queue{
      .address = "10.0.0.1", .port = 443, .suspected = true, .kernel = Kernel::refutes};
  all.queues = {queue};
  EXPECT_FALSE(told("accept_queue_full", all)) << "the kernel denies it";
  queue.kernel = Kernel::unknown;
  all.queues = {queue};
  EXPECT_THAT(told("accept_queue_full", all)->sentence, HasSubstr("seems to be full"));
  queue.suspected = false;
  all.queues = {queue};
  EXPECT_FALSE(told("accept_queue_full", all)) << "nobody suspects or confirms it";
  queue = {"::", 443, false, Kernel::confirms, 128, 128, 12};
  all.queues = {queue};
  const auto finding = told("accept_queue_full", all);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::here);
  EXPECT_THAT(finding->sentence, HasSubstr("is full: the service accepts too slowly"));
  EXPECT_THAT(finding->evidence, Contains(HasSubstr("12 SYNs or ACKs")));
  EXPECT_THAT(finding->evidence, Contains(HasSubstr("128 connections wait")));
  EXPECT_THAT(finding->next, Contains("ss -ltnp 'sport = :443'"));
  EXPECT_EQ(first_told(Concern::silence, all), "accept_queue_full");
  for (const auto& [address, port] : {std::pair("10.0.0.1", 80), std::pair("10.0.0.2", 443)}) {
    queue.address = address;
    queue.port = static_cast<std::uint16_t>(port);
    all.queues = {queue};
    EXPECT_FALSE(told("accept_queue_full", all)) << address << " is another queue";
  }
}

TEST(ExplainRules, AFullQueueShowsInRepeatsOrInNoSuccessAtAll) {
  const QueueFacts full{"0.0.0.0", 443, false, QueueFacts::Kernel::confirms, 5, 4, 0};
  auto repeats = succeeding(service(Way::rx, "10.0.0.1"));
  auto all = input({repeats});
  all.queues = {full};
  EXPECT_FALSE(told("accept_queue_full", all)) << "nobody suffers from it";
  repeats.repeated_successes = 2;
  all = input({repeats});
  all.queues = {full};
  EXPECT_TRUE(told("accept_queue_full", all));
  all = input({silent(Way::rx, "10.0.0.1")});
  all.queues = {full};
  EXPECT_THAT(told("accept_queue_full", all)->sentence, HasSubstr("accepts nothing"));
  all = input({silent(Way::tx, "10.0.0.1")});
  all.queues = {full};
  EXPECT_FALSE(told("accept_queue_full", all))
      << "the queue of that port here has nothing to do with it";
}

TEST(ExplainRules, FilteredForSome) {
  const auto some = succeeding(silent(Way::rx, "10.0.0.1"));
  const auto all = input({by(some, Spread::few, {{"10.0.0.9", 6, 5}})});
  const auto finding = told("filtered_for_some", all);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::here);
  EXPECT_THAT(finding->sentence, HasSubstr("but not 10.0.0.9"));
  EXPECT_THAT(finding->next, Contains("nft list ruleset"));
  EXPECT_FALSE(told("filtered_for_some", input({by(some, Spread::many)})));
  EXPECT_FALSE(told("filtered_for_some", input({by(some, Spread::few, {{"10.0.0.9", 60, 5}})})))
      << "they mostly succeed";
  EXPECT_FALSE(told("filtered_for_some", input({by(succeeding(silent(Way::rx, "10.0.0.1", 443, 2)),
                                                   Spread::few, {{"10.0.0.9", 2, 2}})})))
      << "two are a chance";
  EXPECT_FALSE(told("filtered_for_some",
                    input({by(silent(Way::rx, "10.0.0.1"), Spread::few, {{"10.0.0.9", 5, 5}})})))
      << "nobody is answered";
  EXPECT_FALSE(
      told("filtered_for_some",
           input({by(succeeding(failing(silent(Way::rx, "10.0.0.1", 443, 3), kRefused, 600)),
                     Spread::few, {{"10.0.0.9", 600, 600}})})))
      << "those who are few are refused";
}

TEST(ExplainRules, DroppedInSilence) {
  const auto finding = told("dropped_in_silence", input({went_down(silent(Way::rx, "10.0.0.1"))}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::here);
  EXPECT_THAT(finding->sentence, HasSubstr("this host silently drops"));
  EXPECT_THAT(finding->evidence, Contains(HasSubstr("it worked until then")));
  EXPECT_FALSE(told("dropped_in_silence", input({succeeding(silent(Way::rx, "10.0.0.1"))})));
  EXPECT_FALSE(told("dropped_in_silence", input({silent(Way::tx, "10.0.0.1")})));
  EXPECT_FALSE(
      told("dropped_in_silence", input({failing(silent(Way::rx, "10.0.0.1"), kRefused, 1)})))
      << "it refuses some";
}

TEST(ExplainRules, PartlyUnansweredIsUnknown) {
  const auto all = input({succeeding(silent(Way::rx, "10.0.0.1"))});
  const auto finding = told("partly_unanswered", all);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::unknown);
  EXPECT_EQ(first_told(Concern::silence, all), "partly_unanswered");
  EXPECT_FALSE(told("partly_unanswered", input({succeeding(silent(Way::tx, "10.0.0.1"))})));
}

// Silence, seen from elsewhere.

TEST(ExplainRules, StuckTuple) {
  auto facts = succeeding(silent(Way::tx, "10.0.0.1"));
  EXPECT_FALSE(told("stuck_tuple", input({facts})));
  facts.stuck_tuples = 2;
  EXPECT_FALSE(told("stuck_tuple", input({facts})))
      << "most of the silence is not explained by that";
  facts.stuck_tuples = 4;
  const auto finding = told("stuck_tuple", input({facts}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::path);
  auto nobody = silent(Way::tx, "10.0.0.1");
  nobody.stuck_tuples = 4;
  EXPECT_FALSE(told("stuck_tuple", input({nobody}))) << "nobody succeeds";
}

TEST(ExplainRules, NetworkDark) {
  const auto one = silent(Way::tx, "10.0.0.1");
  const auto two = silent(Way::tx, "10.0.0.2", 80);
  const auto three = silent(Way::tx, "10.0.0.3", 22, 1);
  const auto finding = told("network_dark", input({one, two, three}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::path);
  EXPECT_THAT(finding->sentence, HasSubstr("10.0.0.0/24"));
  EXPECT_THAT(finding->next, Contains(HasSubstr("mtr ")));
  EXPECT_FALSE(told("network_dark", input({one, two}))) << "two hosts may both be down";
  EXPECT_FALSE(told("network_dark", input({one, two, silent(Way::tx, "10.0.0.2", 81)})))
      << "these are two hosts as well";
  EXPECT_FALSE(
      told("network_dark", input({one, two, three, succeeding(service(Way::tx, "10.0.0.4"))})))
      << "one of it answers";
  EXPECT_FALSE(told("network_dark",
                    input({one, two, three, failing(service(Way::tx, "10.0.0.4"), kRefused, 1)})))
      << "one of it refuses, and is up";
  EXPECT_FALSE(
      told("network_dark", input({one, silent(Way::tx, "10.0.9.2"), silent(Way::tx, "10.0.9.3")})));
  EXPECT_FALSE(
      told("network_dark", input({one, silent(Way::rx, "10.0.0.2"), silent(Way::rx, "10.0.0.3")})));
}

TEST(ExplainRules, UnansweredThere) {
  const auto finding = told("unanswered_there", input({succeeding(silent(Way::tx, "10.0.0.1"))}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::there);
  EXPECT_THAT(finding->sentence, HasSubstr("not the path"));
  auto lossy = succeeding(silent(Way::tx, "10.0.0.1"), 100);
  lossy.repeated_successes = 9;
  const auto perhaps = told("unanswered_there", input({lossy}));
  EXPECT_EQ(perhaps->verdict, Verdict::unknown)
      << "first SYNs get lost, so all of an attempt's may";
  EXPECT_THAT(perhaps->sentence, HasSubstr("or loss on the path"));
  EXPECT_FALSE(told("unanswered_there", input({went_down(silent(Way::tx, "10.0.0.1"))})));
  EXPECT_FALSE(told("unanswered_there", input({succeeding(silent(Way::rx, "10.0.0.1"))})));
}

TEST(ExplainRules, ServiceSilent) {
  const auto here = silent(Way::tx, "10.0.0.1");
  for (const auto& other : {succeeding(service(Way::tx, "10.0.0.1", 22)),
                            failing(service(Way::tx, "10.0.0.1", 22), kRefused, 1)}) {
    const auto finding = told("service_silent", input({here, other}));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->verdict, Verdict::there);
    EXPECT_THAT(finding->evidence, Contains(HasSubstr("10.0.0.1:22")));
  }
  EXPECT_FALSE(told("service_silent", input({here, silent(Way::tx, "10.0.0.1", 22)})));
  EXPECT_FALSE(told("service_silent", input({here, succeeding(service(Way::tx, "10.0.0.2", 22))})))
      << "that is another host";
  auto suspect = failing(service(Way::tx, "10.0.0.1", 22), kRefused, 1);
  suspect.rst_suspect = 1;
  EXPECT_FALSE(told("service_silent", input({here, suspect}))) << "that RST may be from anywhere";
  auto earlier = failing(silent(Way::tx, "10.0.0.1", 22), kRefused, 1);
  earlier.last_refusal = kNow - std::chrono::minutes(4);
  EXPECT_FALSE(told("service_silent", input({went_down(here), earlier})))
      << "it refused before the silence began, and is silent itself";
  const auto half = failing(service(Way::tx, "10.0.0.1", 22), &FailureCounts::no_ack, 1);
  EXPECT_THAT(told("service_silent", input({here, half}))->evidence,
              Contains("10.0.0.1:22 sent SYN/ACKs meanwhile, so that host is up"));
}

TEST(ExplainRules, HostSilent) {
  const auto here = silent(Way::tx, "10.0.0.1");
  const auto neighbour = succeeding(service(Way::tx, "10.0.0.2"));
  const auto finding =
      told("host_silent", input({here, silent(Way::tx, "10.0.0.1", 22), neighbour}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::there);
  EXPECT_THAT(finding->evidence, Contains(HasSubstr("1 other port")));
  EXPECT_FALSE(told("host_silent", input({here})));
  EXPECT_FALSE(told("host_silent", input({here, succeeding(service(Way::tx, "10.0.7.2"))})));
  const auto both = input({here, neighbour, succeeding(service(Way::tx, "10.0.0.1", 22))});
  EXPECT_EQ(first_told(Concern::silence, both), "service_silent") << "the host answers";
}

TEST(ExplainRules, NoAnswerIsUnknown) {
  const auto finding = told("no_answer", input({silent(Way::tx, "10.0.0.1")}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->verdict, Verdict::unknown);
  EXPECT_FALSE(told("no_answer", input({silent(Way::rx, "10.0.0.1")})));
  EXPECT_THAT(told("no_answer", input({silent(Way::neither, "10.0.0.1")}))->limits,
              Contains(HasSubstr("--local")));
}

TEST(ExplainRules, AttemptsThatAreRepeatedCountBeforeTheyTimeOut) {
  auto facts = service(Way::tx, "10.0.0.1");
  facts.retrying = 2;
  facts.attempts = 2;
  EXPECT_EQ(first_told(Concern::silence, input({facts})), "no_answer");
  facts.row.responder_local = true;
  facts.row.initiator_local = false;
  EXPECT_THAT(told("dropped_in_silence", input({facts}))->evidence,
              Contains(HasSubstr("2 of them being repeated now")));
}

TEST(ExplainRules, WhatIsRepeatedWhileSecondSynsComeThroughIsLate) {
  for (const Way way : {Way::rx, Way::tx}) {
    auto facts = succeeding(service(way, "10.0.0.1"), 40);
    facts.retrying = 20;
    facts.row.answered_meanwhile = 10;
    facts.repeated_successes = 4;
    EXPECT_NE(first_told(Concern::silence, input({facts})), "") << "four are a chance";
    facts.repeated_successes = 8;
    EXPECT_EQ(first_told(Concern::silence, input({facts})), "");
    EXPECT_TRUE(told("loss_on_path", input({facts})));
    facts.row.last_success = kNow - std::chrono::seconds(30);
    EXPECT_NE(first_told(Concern::silence, input({facts})), "") << "they do not any more";
    facts.row.last_success = kNow;
    facts = failing(facts, &FailureCounts::no_answer, 1);
    EXPECT_NE(first_told(Concern::silence, input({facts})), "") << "one was never answered";
  }
}

TEST(ExplainRules, WhoAnswersNobodyWhileSynsAreRepeatedDoesNotSucceedAnyMore) {
  auto facts = succeeding(service(Way::rx, "10.0.0.1"));
  facts.retrying = 3;
  EXPECT_FALSE(told("dropped_in_silence", input({facts})))
      << "a success just now, on another reader";
  facts.row.last_success = kNow - std::chrono::seconds(2);
  const auto finding = told("dropped_in_silence", input({facts}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->evidence, Contains(HasSubstr("none came since")));
  auto all = input({facts});
  all.queues = {{.address = "10.0.0.1", .port = 443, .suspected = true}};
  EXPECT_FALSE(told("accept_queue_full", all))
      << "the kernel cannot be asked, and nobody is answered";
  facts.row.answered_meanwhile = 1;
  EXPECT_FALSE(told("dropped_in_silence", input({facts})));
  EXPECT_EQ(first_told(Concern::silence, input({facts})), "partly_unanswered");
  facts.row.answered_meanwhile = 0;
  facts.retrying = 2;
  EXPECT_FALSE(told("dropped_in_silence", input({facts}))) << "two are a chance";
}

TEST(ExplainRules, WhatAnsweredBeforeTheSilenceTellsNothing) {
  auto here = service(Way::tx, "10.0.0.1");
  here.row.counting_since = kNow - std::chrono::seconds(2);
  here.retrying = 3;
  auto port = succeeding(service(Way::tx, "10.0.0.1", 22));
  auto neighbour = succeeding(service(Way::tx, "10.0.0.2"));
  EXPECT_EQ(first_told(Concern::silence, input({here, port, neighbour})), "service_silent");
  port.row.last_success = kNow - std::chrono::seconds(3);
  EXPECT_EQ(first_told(Concern::silence, input({here, port, neighbour})), "host_silent");
  neighbour.row.last_success = kNow - std::chrono::seconds(3);
  EXPECT_EQ(first_told(Concern::silence, input({here, port, neighbour})), "no_answer");
  here = succeeding(here);
  here.row.last_success = kNow - std::chrono::seconds(4);
  EXPECT_EQ(first_told(Concern::silence, input({here, port, neighbour})), "service_silent")
      << "it was well until then";
}

TEST(ExplainRules, AMissingRouteBackLooksLikeAFilter) {
  const auto facts = by(silent(Way::rx, "10.0.0.1"), Spread::few, {{"10.9.0.9", 5, 5}});
  const auto finding = told("dropped_in_silence", input({facts}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->limits, Contains(HasSubstr("route back")));
  EXPECT_THAT(finding->next, Contains("ip route get 10.9.0.9"));
}

}  // namespace
}  // namespace tcpeek::engine
