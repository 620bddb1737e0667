// What is counted where, and what is queued to be printed, for attempts that a real tracker follows.
#include "engine/pipeline/outcome_counter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/engine/pipeline/counting_rig.h"

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using flowtable::test::Ends;
using flowtable::test::v4;
using flowtable::test::v6;
using ipc::Tally;
using test::CountingRig;
using ::testing::ElementsAre;
using namespace std::chrono_literals;
namespace flag = flowtable::tcp_flag;

constexpr std::size_t kRx = 0;
constexpr std::size_t kTx = 1;

// To the local host, from it, between two others.
const Ends kIn{v4(1, 40000), v4(2, 80)};
const Ends kOut{v4(2, 40001), v4(1, 443)};
const Ends kIn6{v6(1, 40002), v6(2, 80)};
const Ends kForeign{v4(3, 40003), v4(4, 80)};

void succeed(CountingRig& rig, const Ends& ends, std::int64_t us = 0) {
  rig.see(ends.syn(10).at(us));
  rig.see(ends.synack(20, 11).at(us + 1000));
  rig.see(ends.ack(11, 21).at(us + 1500));
}

TEST(OutcomeCounterTest, RxAndTx) {
  CountingRig rig;
  succeed(rig, kIn);
  succeed(rig, kIn6);
  succeed(rig, kOut);
  EXPECT_EQ(rig.attempts(kRx), 2U);
  EXPECT_EQ(rig.filter(kRx)[Tally::success], 2U);
  EXPECT_EQ(rig.attempts(kTx), 1U);
  EXPECT_EQ(rig.filter(kTx)[Tally::success], 1U);
  EXPECT_EQ(rig.totals()[Tally::attempts], 3U);
  EXPECT_EQ(rig.totals()[Tally::success], 3U);
  EXPECT_EQ(rig.counts().not_local + rig.counts().excluded, 0U);
}

TEST(OutcomeCounterTest, BothEndsLocalIsBoth) {
  CountingRig rig;
  rig.see(kForeign.syn(10).on(test::kLoopback));
  rig.see(Ends({v4(2, 5), v4(2, 80)}).syn(10));
  EXPECT_EQ(rig.attempts(kRx), 2U);
  EXPECT_EQ(rig.attempts(kTx), 2U);
  EXPECT_EQ(rig.totals()[Tally::attempts], 2U);
  EXPECT_EQ(rig.counts().not_local, 0U);
}

TEST(OutcomeCounterTest, NeitherEndLocalMatchesNothingAndIsCountedSo) {
  CountingRig rig({"all:RX@%:%", "out:TX@%:%"});
  succeed(rig, kForeign);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(rig.attempts(i), 0U) << i;
  EXPECT_EQ(rig.counts().not_local, 1U);
  EXPECT_EQ(rig.counts().excluded, 0U);
  EXPECT_EQ(rig.totals()[Tally::success], 1U);
  EXPECT_TRUE(rig.told().empty());
}

TEST(OutcomeCounterTest, AnAttemptCountsInEveryFilterThatMatches) {
  CountingRig rig({"web:RX@%:80", "peer:RX@192.0.2.0/24:%", "tls:RX@%:443", "six:RX@[::]/0:80"});
  succeed(rig, kIn);
  EXPECT_EQ(rig.attempts(kRx), 1U);
  EXPECT_EQ(rig.attempts(kTx), 0U);
  EXPECT_EQ(rig.attempts(2), 1U);
  EXPECT_EQ(rig.attempts(3), 1U);
  EXPECT_EQ(rig.attempts(4), 0U);
  EXPECT_EQ(rig.attempts(5), 0U);
  succeed(rig, kIn6);
  EXPECT_EQ(rig.attempts(2), 2U);
  EXPECT_EQ(rig.filter(5)[Tally::success], 1U);
  EXPECT_EQ(rig.counts().filters.size(), 6U);
}

TEST(OutcomeCounterTest, ExcludedAttemptsCountNowhere) {
  CountingRig rig({":RX@%:80", "web:RX@%:80"});
  succeed(rig, kIn);
  succeed(rig, kOut);
  EXPECT_EQ(rig.counts().filters.size(), 3U) << "an exclusion is not a filter";
  EXPECT_EQ(rig.attempts(kRx), 0U);
  EXPECT_EQ(rig.attempts(2), 0U);
  EXPECT_EQ(rig.attempts(kTx), 1U);
  EXPECT_EQ(rig.counts().excluded, 1U);
  EXPECT_EQ(rig.counts().not_local, 0U);
  EXPECT_EQ(rig.totals()[Tally::attempts], 2U);
  EXPECT_EQ(rig.told().size(), 1U);
}

// Each way to end, as a sequence of packets and the tally it counts in.
struct Way {
  const char* name;
  std::function<void(CountingRig&)> play;
  Tally tally;
  Cause cause;
};

std::vector<Way> ways() {
  return {
      {"success", [](CountingRig& r) { succeed(r, kIn); }, Tally::success, Cause::none},
      {"refused",
       [](CountingRig& r) {
         r.see(kIn.syn(10));
         r.see(kIn.down(flag::rst | flag::ack, 0, 11).at(1500));
       },
       Tally::refused, Cause::refused},
      {"reset",
       [](CountingRig& r) {
         r.see(kIn.syn(10));
         r.see(kIn.synack(20, 11).at(1000));
         r.see(kIn.down(flag::rst, 21).at(1500));
       },
       Tally::reset, Cause::reset},
      {"aborted",
       [](CountingRig& r) {
         r.see(kIn.syn(10));
         r.see(kIn.up(flag::rst, 11).at(1500));
       },
       Tally::aborted, Cause::aborted},
      {"half-open scan",
       [](CountingRig& r) {
         r.see(kIn.syn(10));
         r.see(kIn.synack(20, 11).at(1000));
         r.see(kIn.up(flag::rst, 11).at(1500));
       },
       Tally::half_open, Cause::half_open},
      {"probe",
       [](CountingRig& r) {
         r.see(kIn.syn(10));
         r.see(kIn.synack(20, 11).at(1000));
         r.see(kIn.up(flag::rst | flag::ack, 11, 21).at(1500));
       },
       Tally::probe, Cause::probe},
      {"no answer",
       [](CountingRig& r) {
         r.see(kIn.syn(10));
         r.tracker.sweep_all(flowtable::test::time_of(61s));
       },
       Tally::timed_out_no_answer, Cause::no_answer},
      {"no ack",
       [](CountingRig& r) {
         r.see(kIn.syn(10));
         r.see(kIn.synack(20, 11).at(1000));
         r.tracker.sweep_all(flowtable::test::time_of(62s));
       },
       Tally::timed_out_no_ack, Cause::no_ack},
      {"unreachable",
       [](CountingRig& r) {
         r.see(kIn.syn(10));
         r.see(kIn.unreachable(10).at(1500));
         r.tracker.sweep_all(flowtable::test::time_of(4s));
       },
       Tally::unreachable, Cause::unreachable},
  };
}

TEST(OutcomeCounterTest, EveryEndingInItsTally) {
  for (const Way& way : ways()) {
    SCOPED_TRACE(way.name);
    CountingRig rig;
    way.play(rig);
    for (const ipc::Counts& counts : {rig.totals(), rig.filter(kRx)}) {
      EXPECT_EQ(counts[Tally::attempts], 1U);
      EXPECT_EQ(counts[Tally::pending], 0U);
      EXPECT_EQ(counts[way.tally], 1U);
      EXPECT_EQ(counts.accounted(), 1U) << "in one tally only";
    }
    const auto told = rig.told();
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].outcome.cause, way.cause);
  }
}

TEST(OutcomeCounterTest, PendingUntilTheEnd) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  EXPECT_EQ(rig.filter(kRx)[Tally::pending], 1U);
  rig.see(kIn.synack(20, 11).at(1));
  EXPECT_EQ(rig.filter(kRx)[Tally::pending], 1U);
  EXPECT_TRUE(rig.told().empty());
  rig.see(kIn.ack(11, 21).at(2));
  EXPECT_EQ(rig.filter(kRx)[Tally::pending], 0U);
}

TEST(OutcomeCounterTest, RepetitionsOfSuccesses) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.syn(10).at(1'000'000));
  rig.see(kIn.syn(10).at(3'000'000));
  rig.see(kIn.synack(20, 11).at(3'100'000));
  rig.see(kIn.synack(20, 11).at(4'100'000));
  rig.see(kIn.ack(11, 21).at(4'200'000));
  succeed(rig, kIn6, 5'000'000);
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c[Tally::success_dup_syn], 1U);
  EXPECT_EQ(c[Tally::success_dup_syn_segments], 2U);
  EXPECT_EQ(c[Tally::success_dup_synack], 1U);
  EXPECT_EQ(c[Tally::success_dup_synack_segments], 1U);
  EXPECT_EQ(c[Tally::failure_dup_syn] + c[Tally::failure_dup_synack], 0U);
  const auto told = rig.told();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].dup_syns, 2U);
  EXPECT_EQ(told[0].dup_synacks, 1U);
  EXPECT_EQ(told[1].dup_syns, 0U);
}

TEST(OutcomeCounterTest, RepetitionsOfFailures) {
  CountingRig rig;
  for (int i = 0; i < 4; ++i) rig.see(kIn.syn(10).at(i * 1'000'000));
  rig.tracker.sweep_all(flowtable::test::time_of(70s));
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c[Tally::failure_dup_syn], 1U);
  EXPECT_EQ(c[Tally::failure_dup_syn_segments], 3U);
  EXPECT_EQ(c[Tally::failure_dup_synack], 0U);
  EXPECT_EQ(c[Tally::success_dup_syn], 0U);
}

TEST(OutcomeCounterTest, LatencyOfExactSuccesses) {
  CountingRig rig;
  succeed(rig, kIn);
  EXPECT_EQ(rig.filter(kRx).latency.count(), 1U);
  EXPECT_EQ(rig.filter(kRx).latency.sum_us(), 1500U);
  EXPECT_EQ(rig.totals().latency.sum_us(), 1500U);
  EXPECT_EQ(rig.filter(kTx).latency.count(), 0U);
}

TEST(OutcomeCounterTest, HalfSeen) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kIn.ack(11, 5000).at(700));
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c[Tally::success], 1U);
  EXPECT_EQ(c[Tally::half_seen], 1U);
  EXPECT_EQ(c.latency.sum_us(), 0U);
}

TEST(OutcomeCounterTest, FailuresHaveNoLatency) {
  for (const Way& way : ways()) {
    if (way.cause == Cause::none) continue;
    CountingRig rig;
    way.play(rig);
    EXPECT_EQ(rig.totals().latency.count(), 0U) << way.name;
  }
}

TEST(OutcomeCounterTest, SynAckAfterSuccess) {
  CountingRig rig;
  succeed(rig, kIn);
  rig.see(kIn.synack(20, 11).at(1'000'000));
  rig.see(kIn.synack(20, 11).at(3'000'000));
  EXPECT_EQ(rig.filter(kRx)[Tally::late_synack], 2U);
  EXPECT_EQ(rig.totals()[Tally::late_synack], 2U);
  EXPECT_EQ(rig.filter(kTx)[Tally::late_synack], 0U);
  EXPECT_EQ(rig.filter(kRx)[Tally::success_dup_synack], 0U);
  EXPECT_EQ(rig.told().size(), 1U);
}

TEST(OutcomeCounterTest, UncertainTimeouts) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.tracker.note_loss(flowtable::test::time_of(1s));
  rig.tracker.sweep_all(flowtable::test::time_of(61s));
  EXPECT_EQ(rig.filter(kRx)[Tally::uncertain], 1U);
  EXPECT_TRUE(rig.told().at(0).outcome.uncertain);
}

TEST(OutcomeCounterTest, EvictedAttemptsAreCountedNotTold) {
  CountingRig rig({}, true, test::small_tracker(1));
  rig.see(kIn.syn(10));
  rig.see(kIn.syn(10).at(1'000'000));
  rig.see(kIn6.syn(10).at(2'000'000));
  const ipc::Counts& c = rig.filter(kRx);
  EXPECT_EQ(c[Tally::evicted], 1U);
  EXPECT_EQ(c[Tally::pending], 1U);
  EXPECT_EQ(c[Tally::attempts], c.accounted());
  EXPECT_EQ(c[Tally::failure_dup_syn], 0U) << "no failure we know of";
  EXPECT_TRUE(rig.told().empty());
}

TEST(OutcomeCounterTest, WhatIsTold) {
  CountingRig rig({"web:RX@%:80"});
  succeed(rig, kIn6, 2'000'000'000);
  const auto told = rig.told();
  ASSERT_EQ(told.size(), 1U);
  const OutcomeRecord& o = told[0];
  EXPECT_EQ(o.initiator, kIn6.client);
  EXPECT_EQ(o.responder, kIn6.server);
  EXPECT_EQ(o.first_syn, 2000s - 24h) << "by the wall clock of today";
  EXPECT_EQ(o.duration, 1500us);
  EXPECT_EQ(o.interface, 1U);
  EXPECT_EQ(o.filters, 0b101U) << "RX and web";
}

TEST(OutcomeCounterTest, ADurationIsNeverNegative) {
  CountingRig rig;
  rig.see(kIn.syn(10).at(5'000'000));
  rig.see(kIn.synack(20, 11).at(4'999'990));
  rig.see(kIn.ack(11, 21).at(4'999'000));
  EXPECT_EQ(rig.filter(kRx).latency.count(), 1U);
  EXPECT_EQ(rig.filter(kRx).latency.sum_us(), 0U);
  EXPECT_EQ(rig.told().at(0).duration, 0ns);
}

// Where an attempt counts is decided at its first SYN, whatever changes meanwhile.
TEST(OutcomeCounterTest, AnAttemptEndsWhereItBegan) {
  CountingRig rig;
  rig.see(kIn.syn(10));
  rig.see(kForeign.syn(10));
  rig.go_by(test::locality_of({"192.0.2.1", "192.0.2.4"}));
  rig.see(kIn.down(flag::rst | flag::ack, 0, 11).at(500));
  rig.see(kForeign.down(flag::rst | flag::ack, 0, 11).at(500));
  EXPECT_EQ(rig.filter(kRx)[Tally::refused], 1U);
  EXPECT_EQ(rig.attempts(kTx), 0U);
  EXPECT_EQ(rig.counts().not_local, 1U);
  EXPECT_EQ(rig.told().size(), 1U);
  rig.see(Ends({v4(1, 7), v4(9, 80)}).syn(10).at(1000));
  EXPECT_EQ(rig.attempts(kTx), 1U);
}

TEST(OutcomeCounterTest, FiltersAreExchangedWhileAttemptsAreOpen) {
  CountingRig rig({"web:RX@%:80", "gone:RX@%:80"});
  rig.see(kIn.syn(10));
  rig.exchange({"new:RX@%:80", "web:RX@%:80"});
  EXPECT_EQ(rig.filter(2)[Tally::pending], 1U) << "web goes on";
  EXPECT_EQ(rig.filter(3)[Tally::pending], 1U) << "gone stays until its attempt has ended";
  EXPECT_EQ(rig.attempts(4), 0U);
  rig.see(Ends({v4(1, 7), v4(2, 80)}).syn(10).at(100));
  EXPECT_EQ(rig.attempts(2), 2U);
  EXPECT_EQ(rig.attempts(3), 1U);
  EXPECT_EQ(rig.attempts(4), 1U);
  rig.see(kIn.down(flag::rst | flag::ack, 0, 11).at(500));
  EXPECT_EQ(rig.filter(2)[Tally::refused], 1U);
  EXPECT_EQ(rig.filter(3)[Tally::refused], 1U);
  EXPECT_EQ(rig.filter(3)[Tally::pending], 0U);
  EXPECT_EQ(rig.filter(4)[Tally::refused], 0U);
  EXPECT_EQ(rig.told().at(0).filters, 0b01101U);
}

TEST(OutcomeCounterTest, ANumberGivenToAnotherFilterBeginsAtZero) {
  CountingRig rig({"a:RX@%:80"});
  succeed(rig, kIn);
  rig.exchange({});
  for (int round = 0; round < 2; ++round) {  // its outcomes are printed in between
    rig.filters.settle(rig.counter.generation(),
                       [&](FilterId id) { return rig.filter(id)[Tally::pending]; });
  }
  rig.exchange({"b:RX@%:81"});
  EXPECT_EQ(rig.filters.entries().size(), 3U);
  EXPECT_EQ(rig.attempts(2), 0U);
  EXPECT_EQ(rig.filter(2).latency.count(), 0U);
  EXPECT_EQ(rig.attempts(0), 1U) << "RX goes on";
}

TEST(OutcomeCounterTest, WithoutAListenerNothingIsToldNorLost) {
  CountingRig rig({}, false);
  succeed(rig, kIn);
  EXPECT_EQ(rig.filter(kRx)[Tally::success], 1U);
  EXPECT_TRUE(rig.told().empty());
  EXPECT_EQ(rig.counts().events_lost, 0U);
}

TEST(OutcomeCounterTest, WhatTheQueueDoesNotTakeIsCountedAsLost) {
  CountingRig rig;
  constexpr std::uint64_t kOutcomes = 3 * OutcomeQueue::kCapacity;
  for (std::uint32_t i = 0; i < kOutcomes; ++i) {
    rig.see(kIn.syn(10 + i).at(i));
    rig.see(kIn.down(flag::rst | flag::ack, 0, 11 + i).at(i));
  }
  ASSERT_EQ(rig.filter(kRx)[Tally::refused], kOutcomes);
  const std::size_t waiting = rig.queue.size();
  EXPECT_GE(waiting, OutcomeQueue::kCapacity);
  EXPECT_EQ(waiting + rig.counts().events_lost, kOutcomes);
  EXPECT_LE(waiting, OutcomeQueue::kCapacity + 32) << "more than it says";
  EXPECT_EQ(rig.told().size(), waiting);

  succeed(rig, kIn6);
  EXPECT_EQ(rig.told().size(), 1U) << "goes on when there is room again";
}

}  // namespace
}  // namespace tcpeek::engine
