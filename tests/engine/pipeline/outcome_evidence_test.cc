// What is told beside an outcome: that an attempt is retrying, its legs, its tries, and what an ICMP error or a
// RST is evidence of.
#include <gtest/gtest.h>

#include <cstdint>

#include "engine/pipeline/outcome_counter.h"
#include "tests/engine/pipeline/counting_rig.h"

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using flowtable::test::Ends;
using flowtable::test::v4;
using flowtable::test::v6;
using ipc::Tally;
using test::CountingRig;
using namespace std::chrono_literals;
namespace flag = flowtable::tcp_flag;

constexpr std::size_t kRx = 0;
constexpr std::size_t kTx = 1;

// To the local host.
const Ends kIn{v4(1, 40000), v4(2, 80)};
const Ends kIn6{v6(1, 40002), v6(2, 80)};

// Of the filter RX, and of its one service.
struct Waiting {
  std::uint64_t retrying;
  std::uint64_t syns;
  std::uint64_t synacks;
  bool operator==(const Waiting&) const = default;
};

Waiting waiting_of(CountingRig& rig) {
  const ipc::Counts counts = rig.filter(kRx);
  const Waiting told{counts[Tally::retrying], counts[Tally::retrying_syns],
                     counts[Tally::retrying_synacks]};
  const Service& row = rig.counter.top().services()[1];
  EXPECT_EQ((Waiting{row.retrying, row.retrying_syns, row.retrying_synacks}), told);
  return told;
}

TEST(OutcomeEvidenceTest, SupersededIsOneOfTheTimeouts) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.syn(99).at(1000));
  rig.see(kIn.synack(20, 100).at(2000));
  rig.see(kIn.ack(100, 21).at(3000));
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c[Tally::superseded], 1U);
  EXPECT_EQ(c.timed_out(), 1U);
  EXPECT_EQ(c[Tally::success], 1U);
  EXPECT_EQ(rig.told().at(0).outcome.cause, Cause::superseded);
}

TEST(OutcomeEvidenceTest, RetryingIsKnownAtTheFirstRepetition) {
  CountingRig rig;
  const auto retrying = [&] { return rig.filter(kRx)[Tally::retrying]; };
  rig.see(kIn.syn(10));
  EXPECT_EQ(retrying(), 0U);
  rig.see(kIn.syn(10).at(1'000'000));
  EXPECT_EQ(retrying(), 1U);
  EXPECT_EQ(rig.totals()[Tally::retrying], 1U);
  EXPECT_EQ(rig.filter(kTx)[Tally::retrying], 0U);
  rig.see(kIn.syn(10).at(3'000'000));
  rig.see(kIn.synack(20, 11).at(3'100'000));
  rig.see(kIn.synack(20, 11).at(4'100'000));
  EXPECT_EQ(retrying(), 1U) << "one attempt, however often";
  rig.see(kIn.ack(11, 21).at(4'200'000));
  EXPECT_EQ(retrying(), 0U);
  EXPECT_EQ(rig.totals()[Tally::retrying], 0U);
}

TEST(OutcomeEvidenceTest, ARepeatedSynAckIsRetryingToo) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.synack(20, 11).at(100));
  rig.see(kIn.synack(20, 11).at(1'000'100));
  EXPECT_EQ(rig.filter(kRx)[Tally::retrying], 1U);
  rig.tracker.sweep_all(flowtable::test::time_of(70s));
  EXPECT_EQ(rig.filter(kRx)[Tally::retrying], 0U);
}

// A SYN that supersedes another may have been repeated before its turn came.
TEST(OutcomeEvidenceTest, AnAttemptMayBeginAsOneThatIsRetrying) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.syn(99).at(1'000'000));
  rig.see(kIn.syn(99).at(1'500'000));
  rig.tracker.sweep_all(flowtable::test::time_of(3s));
  EXPECT_EQ(rig.filter(kRx)[Tally::superseded], 1U);
  EXPECT_EQ(rig.filter(kRx)[Tally::pending], 1U);
  EXPECT_EQ(waiting_of(rig), (Waiting{1, 1, 0}));
  rig.see(kIn.syn(99).at(4'000'000));
  EXPECT_EQ(waiting_of(rig), (Waiting{1, 2, 0}));
  rig.tracker.sweep_all(flowtable::test::time_of(100s));
  EXPECT_EQ(waiting_of(rig), (Waiting{0, 0, 0}));
}

TEST(OutcomeEvidenceTest, AnEvictedOneIsNoLongerRetrying) {
  CountingRig rig({}, true, test::small_tracker(1));
  rig.see(kIn.syn(10));
  rig.see(kIn.syn(10).at(1'000'000));
  rig.see(kIn6.syn(20).at(1'000'001));
  EXPECT_EQ(rig.totals()[Tally::evicted], 1U);
  EXPECT_EQ(rig.totals()[Tally::retrying], 0U);
}

TEST(OutcomeEvidenceTest, WhatAttemptsHaveRepeatedIsKnownWhileTheyArePending) {
  CountingRig rig;
  const Ends other{v4(1, 40001), v4(2, 80)};
  rig.see(kIn.syn(10));
  rig.see(other.syn(30));
  EXPECT_EQ(waiting_of(rig), (Waiting{0, 0, 0}));
  rig.see(kIn.syn(10).at(1'000'000));
  rig.see(kIn.syn(10).at(3'000'000));
  EXPECT_EQ(waiting_of(rig), (Waiting{1, 2, 0})) << "three SYNs";
  rig.see(other.syn(30).at(3'000'001));
  EXPECT_EQ(waiting_of(rig), (Waiting{2, 3, 0}));
  rig.see(kIn.synack(20, 11).at(3'100'000));
  rig.see(kIn.synack(20, 11).at(4'100'000));
  EXPECT_EQ(waiting_of(rig), (Waiting{2, 3, 1}));
  rig.see(kIn.ack(11, 21).at(4'200'000));
  EXPECT_EQ(waiting_of(rig), (Waiting{1, 1, 0}));
  rig.see(other.down(flag::rst | flag::ack, 0, 31).at(4'300'000));
  EXPECT_EQ(waiting_of(rig), (Waiting{0, 0, 0}));
}

TEST(OutcomeEvidenceTest, TheirNumberStaysWhereTheAttemptsOwnDoes) {
  const auto repeat = [](CountingRig& rig, const Ends& ends, bool synacks) {
    for (std::int64_t i = 0; i < 300; ++i) {
      rig.see(ends.syn(10).at(i * 1'000'000));
      if (synacks) rig.see(ends.synack(20, 11).at(i * 1'000'000 + 500));
    }
  };
  for (const bool synacks : {false, true}) {
    const Waiting most{1, 254, synacks ? 254U : 0U};
    CountingRig timed_out;
    repeat(timed_out, kIn, synacks);
    EXPECT_EQ(waiting_of(timed_out), most);
    timed_out.tracker.sweep_all(flowtable::test::time_of(400s));
    EXPECT_EQ(waiting_of(timed_out), (Waiting{0, 0, 0}));

    CountingRig evicted({}, true, test::small_tracker(1));
    repeat(evicted, kIn, synacks);
    evicted.see(kIn6.syn(20).at(300'000'000));
    EXPECT_EQ(evicted.totals()[Tally::evicted], 1U);
    EXPECT_EQ(waiting_of(evicted), (Waiting{0, 0, 0}));

    CountingRig succeeded;
    repeat(succeeded, kIn, synacks);
    succeeded.see(kIn.synack(20, 11).at(300'000'000));
    succeeded.see(kIn.ack(11, 21).at(300'000'100));
    EXPECT_EQ(succeeded.totals()[Tally::success], 1U);
    EXPECT_EQ(waiting_of(succeeded), (Waiting{0, 0, 0}));
  }
}

TEST(OutcomeEvidenceTest, WhichSynGotThrough) {
  CountingRig rig;
  for (int syns = 1; syns <= 6; ++syns) {
    const std::int64_t begin = syns * 100'000'000;
    for (int i = 0; i < syns; ++i) rig.see(kIn.syn(10).at(begin + i * 1'000'000));
    rig.see(kIn.synack(20, 11).at(begin + 7'000'000));
    rig.see(kIn.ack(11, 21).at(begin + 7'000'100));
  }
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c[Tally::success], 6U);
  EXPECT_EQ(c[Tally::success_second_syn], 1U);
  EXPECT_EQ(c[Tally::success_third_syn], 1U);
  EXPECT_EQ(c[Tally::success_later_syn], 3U);
}

TEST(OutcomeEvidenceTest, LegsOfAHandshakeWithoutRepetitions) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.synack(20, 11).at(1000));
  rig.see(kIn.ack(11, 21).at(1500));
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c.responder_leg.sum_us(), 1000U);
  EXPECT_EQ(c.initiator_leg.sum_us(), 500U);
  const auto told = rig.told();
  ASSERT_TRUE(told.at(0).has_legs);
  EXPECT_EQ(told[0].legs.syn_to_synack, 1000us);
  EXPECT_EQ(told[0].legs.synack_to_ack, 500us);
  EXPECT_EQ(told[0].isn, 10U);
  EXPECT_EQ(told[0].responder_isn, 20U);
}

TEST(OutcomeEvidenceTest, LegsAreLeftOutWhereARepetitionBlursThem) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.syn(10).at(1'000'000));
  rig.see(kIn.synack(20, 11).at(1'001'000));
  rig.see(kIn.ack(11, 21).at(1'001'500));
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c.latency.count(), 1U) << "what the initiator felt";
  EXPECT_EQ(c.latency.max_us(), 1'001'500U);
  EXPECT_EQ(c.responder_leg.count() + c.initiator_leg.count(), 0U);
  EXPECT_EQ(c[Tally::legs_ambiguous], 1U);
  EXPECT_FALSE(rig.told().at(0).has_legs);
}

TEST(OutcomeEvidenceTest, HowLongTheInitiatorTried) {
  CountingRig rig;
  for (const std::int64_t s : {0, 1, 3, 7}) rig.see(kIn.syn(10).at(s * 1'000'000));
  rig.tracker.sweep_all(flowtable::test::time_of(70s));
  const auto told = rig.told();
  EXPECT_EQ(told.at(0).tried, 7s);
  EXPECT_EQ(told[0].dup_syns, 3U);
  EXPECT_FALSE(told[0].has_responder_isn);
}

TEST(OutcomeEvidenceTest, WhatTheIcmpErrorSaid) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.unreachable(10).icmp(3, 13).at(1500));
  rig.tracker.sweep_all(flowtable::test::time_of(4s));
  EXPECT_EQ(rig.filter(kRx)[Tally::unreachable_prohibited], 1U);
  const auto told = rig.told();
  ASSERT_TRUE(told.at(0).has_error);
  EXPECT_EQ(told[0].error.type, 3);
  EXPECT_EQ(told[0].error.code, 13);
}

// A RST that is not as many hops away as the SYN/ACKs of its address.
TEST(OutcomeEvidenceTest, WhoARstSeemsToBeFrom) {
  CountingRig rig;
  const auto refuse = [&](std::int64_t at_us, std::uint8_t hop_limit) {
    rig.see(kIn.syn(10).at(at_us));
    rig.see(kIn.down(flag::rst | flag::ack, 0, 11).hops(hop_limit).at(at_us + 500));
    return rig.told().back().outcome.rst_sender;
  };
  EXPECT_EQ(refuse(0, 60), flowtable::RstSender::unknown);
  rig.see(kIn.syn(10).at(100'000'000));
  rig.see(kIn.synack(20, 11).hops(60).at(100'001'000));
  rig.see(kIn.ack(11, 21).at(100'001'500));
  static_cast<void>(rig.told());
  EXPECT_EQ(refuse(200'000'000, 60), flowtable::RstSender::responder);
  EXPECT_EQ(refuse(300'000'000, 254), flowtable::RstSender::suspect);
  EXPECT_EQ(rig.filter(kRx)[Tally::rst_suspect], 1U);
  EXPECT_EQ(rig.filter(kRx)[Tally::refused], 3U);
}

TEST(OutcomeEvidenceTest, ALateProofIsNoLatency) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.synack(20, 11).at(1000));
  rig.see(kIn.down(flag::ack, 21, 11).data(5).at(9'000'000));
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c[Tally::success], 1U);
  EXPECT_EQ(c[Tally::late_proof], 1U);
  EXPECT_EQ(c.latency.count(), 0U);
  EXPECT_TRUE(rig.told().at(0).outcome.late_proof);
}

}  // namespace
}  // namespace tcpeek::engine
