// The accounting identity under random traffic, in which everything collides and evicts, with
// addresses that become and cease to be local; against a naive count of the same attempts.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/engine/pipeline/counting_rig.h"
#include "tests/support/seeds.h"
#include "tests/support/traffic.h"

namespace tcpeek::engine {
namespace {

using flowtable::Attempt;
using flowtable::Cause;
using flowtable::Outcome;
using flowtable::Tracker;
using flowtable::test::Traffic;
using ipc::Tally;
using test::CountingRig;

const std::vector<std::string> kFilters{"one:RX@%:1", "pair:RX@192.0.2.0/31:2,[2001:db8::1]:%",
                                        ":TX@192.0.2.1:2", "six:TX@[2001:db8::]/32:%"};
constexpr std::size_t kCounted = 5;

// What the filters above say, in plain words. `rx`: the responder is local.
std::array<bool, kCounted> naive(const Attempt& a, bool rx, bool tx) {
  const auto initiator = a.initiator_end();
  const auto responder = a.responder_end();
  const bool v4 = flowtable::is_v4(initiator.address);
  const int from = initiator.address[15];
  const int to = responder.address[15];
  if (tx && v4 && to == 1 && responder.port == 2) return {};
  std::array<bool, kCounted> in{};
  in[0] = rx;
  in[1] = tx;
  in[2] = rx && responder.port == 1;
  in[3] = rx && (v4 ? from <= 1 && responder.port == 2 : from == 1);
  in[4] = tx && !v4;
  return in;
}

// Sees the calls to the counter, counts by itself and passes them on.
class Shadow {
 public:
  Shadow(OutcomeCounter& counter, const Handover<ReaderRules>& rules)
      : counter_(counter), rules_(rules) {}

  void opened(Attempt& a, std::uint16_t& note) noexcept {
    counter_.opened(a, note);
    const std::uint8_t directions =
        rules_.current()
            .rules.locality()
            .sides({a.initiator_end().address}, {a.responder_end().address}, a.interface())
            .directions;
    const bool rx = (directions & 1) != 0;
    const bool tx = (directions & 2) != 0;
    const auto in = naive(a, rx, tx);
    for (std::size_t i = 0; i < kCounted; ++i) attempts[i] += in.at(i);
    not_local += directions == 0;
    excluded += directions != 0 && !in[0] && !in[1];
    ++opened_count;
  }
  void ended(const Attempt& a, const Outcome& e, std::uint16_t note) noexcept {
    counter_.ended(a, e, note);
    ++results.at(static_cast<std::size_t>(e.cause));
    const bool is_exact = e.cause == Cause::none && !e.late_proof && !e.half_seen;
    exact += is_exact;
    if (is_exact && a.handshake.dup_syns + a.handshake.dup_synacks == 0) {
      const auto lasted = std::chrono::floor<std::chrono::microseconds>(e.at - a.first_syn);
      legs_us += static_cast<std::uint64_t>(std::max<std::int64_t>(lasted.count(), 0));
    }
    dup_syns += e.cause == Cause::none ? a.handshake.dup_syns : 0;
  }
  void late_synack(const Attempt& a) noexcept {
    counter_.late_synack(a);
    ++late_synacks;
  }
  void retrying(const Attempt& a, std::uint16_t note) noexcept { counter_.retrying(a, note); }
  void answered_again(const Attempt& a, std::uint16_t note) noexcept {
    counter_.answered_again(a, note);
  }
  void sent_again(const Attempt& a, flowtable::Event event, std::uint16_t note) noexcept {
    counter_.sent_again(a, event, note);
  }

  std::array<std::uint64_t, kCounted> attempts{};
  std::array<std::uint64_t, flowtable::kCauses> results{};
  std::uint64_t opened_count = 0;
  std::uint64_t not_local = 0;
  std::uint64_t excluded = 0;
  std::uint64_t exact = 0;
  std::uint64_t legs_us = 0;
  std::uint64_t dup_syns = 0;
  std::uint64_t late_synacks = 0;

 private:
  OutcomeCounter& counter_;
  const Handover<ReaderRules>& rules_;
};

void expect_identity(const CountingRig& rig) {
  ASSERT_EQ(rig.totals()[Tally::attempts], rig.totals().accounted());
  for (std::size_t i = 0; i < kCounted; ++i) {
    ASSERT_EQ(rig.attempts(i), rig.filter(i).accounted()) << "filter " << i;
  }
}

void expect_same(const CountingRig& rig, const Shadow& shadow) {
  const ipc::Counts& t = rig.totals();
  EXPECT_EQ(t[Tally::attempts], shadow.opened_count);
  for (std::size_t i = 0; i < kCounted; ++i) EXPECT_EQ(rig.attempts(i), shadow.attempts.at(i)) << i;
  EXPECT_EQ(rig.counts().not_local, shadow.not_local);
  EXPECT_EQ(rig.counts().excluded, shadow.excluded);
  constexpr std::array<Tally, 11> kTally{Tally::success,
                                         Tally::refused,
                                         Tally::reset,
                                         Tally::aborted,
                                         Tally::half_open,
                                         Tally::probe,
                                         Tally::timed_out_no_answer,
                                         Tally::timed_out_no_ack,
                                         Tally::superseded,
                                         Tally::unreachable,
                                         Tally::evicted};
  for (std::size_t i = 0; i < kTally.size(); ++i) {
    EXPECT_EQ(t[kTally.at(i)], shadow.results.at(i)) << "result " << i;
  }
  EXPECT_EQ(t.latency.count(), shadow.exact);
  EXPECT_EQ(t.responder_leg.count() + t[Tally::legs_ambiguous], shadow.exact);
  EXPECT_EQ(t.initiator_leg.count(), t.responder_leg.count());
  EXPECT_EQ(t.responder_leg.sum_us() + t.initiator_leg.sum_us(), shadow.legs_us);
  EXPECT_EQ(t[Tally::success_dup_syn_segments], shadow.dup_syns);
  EXPECT_EQ(t[Tally::late_synack], shadow.late_synacks);
}

// Attempts that are retrying, and the SYNs and SYN/ACKs that they have repeated.
using Retrying = std::array<std::uint64_t, 3>;

void add(Retrying& sum, const flowtable::Handshake& h) {
  sum[0] += h.dup_syns + h.dup_synacks != 0;
  sum[1] += h.dup_syns;
  sum[2] += h.dup_synacks;
}

Retrying retrying_in(const ipc::Counts& counts) {
  return {counts[Tally::retrying], counts[Tally::retrying_syns], counts[Tally::retrying_synacks]};
}

// What the gauges say, of all and of each service, and what the table holds.
void expect_same_retrying(CountingRig& rig, const flowtable::AttemptTable& table) {
  Retrying all{};
  std::map<std::uint16_t, Retrying> services;
  table.for_each_pending(0, table.group_count(), [&](flowtable::Slot slot) {
    add(all, table[slot].handshake);
    add(services[table.note(slot)], table[slot].handshake);
  });
  ASSERT_EQ(retrying_in(rig.totals()), all);
  const ServiceTable& rows = rig.counter.top().services();
  for (std::uint16_t number = 0; number < rows.end(); ++number) {
    const Service& row = rows[number];
    ASSERT_EQ((Retrying{row.retrying, row.retrying_syns, row.retrying_synacks}), services[number])
        << "service " << number;
  }
}

// Nothing is pending: what a filter counted is taken back to the last segment.
void expect_none_retrying(const CountingRig& rig) {
  EXPECT_EQ(retrying_in(rig.totals()), Retrying{});
  for (std::size_t i = 0; i < kCounted; ++i)
    EXPECT_EQ(retrying_in(rig.filter(i)), Retrying{}) << "filter " << i;
}

// By service, what its note says and what the table holds: the attempts whose SYN/ACK is being repeated.
void expect_same_answered_again(CountingRig& rig, const flowtable::AttemptTable& table,
                                std::uint64_t& seen) {
  std::map<std::uint16_t, std::uint64_t> repeated;
  table.for_each_pending(0, table.group_count(), [&](flowtable::Slot slot) {
    if (table[slot].handshake.dup_synacks != 0) ++repeated[table.note(slot)];
  });
  const TopTables& top = rig.counter.top();
  for (std::uint16_t number = 1; number < 64; ++number) {
    const Service& row = top.services()[number];
    if (row.counting_since == 0) continue;
    EXPECT_EQ(top.notes().of(number, row.counting_since).answered_retrying, repeated[number])
        << "service " << number;
    seen += repeated[number];
  }
}

TEST(OutcomeCounterProperty, AccountsForEveryAttemptInEveryFilter) {
  std::array<std::uint64_t, flowtable::kCauses> seen{};
  std::array<std::uint64_t, kCounted> matched{};
  std::uint64_t elsewhere = 0;
  std::uint64_t answered_again = 0;
  std::uint64_t repeated = 0;
  // Enough for every cause to be seen.
  const std::uint64_t seeds = std::max<std::uint64_t>(30, tcpeek::test::share_of(150));
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Traffic traffic(seed, 3);
    CountingRig rig(kFilters, false);
    Shadow shadow(rig.counter, rig.rules);
    Tracker<Shadow> tracker(traffic.tracker_config(seed % 3 == 0 ? 3 : 40), shadow);
    for (int i = 0; i < 3000; ++i) {
      tracker.on_segment(traffic.next().segment());
      if (traffic.one_in(50)) {
        const bool one = traffic.one_in(2);
        rig.go_by(one ? test::locality_of({"192.0.2.1", "2001:db8::2"})
                      : test::locality_of({"192.0.2.2"}));
      }
      if (i % 64 == 0) {
        expect_identity(rig);
        expect_same_retrying(rig, tracker.table());
        if (HasFatalFailure()) return;
      }
      if (traffic.below(100) < traffic.sweep_percent) {
        tracker.sweep(flowtable::test::time_of(std::chrono::microseconds(traffic.settled_us())), 1);
      }
    }
    expect_identity(rig);
    expect_same(rig, shadow);
    EXPECT_EQ(rig.totals()[Tally::pending], tracker.table().pending());
    expect_same_retrying(rig, tracker.table());
    expect_same_answered_again(rig, tracker.table(), answered_again);
    repeated += rig.totals()[Tally::retrying_syns];
    // Two hours are more than the longest timeout; one that ends may make room for another.
    auto later = std::chrono::microseconds(traffic.settled_us());
    for (int i = 0; i < 5 && tracker.table().pending() != 0; ++i)
      tracker.sweep_all(flowtable::test::time_of(later += std::chrono::hours(2)));
    EXPECT_EQ(tracker.table().pending(), 0U);
    expect_none_retrying(rig);
    if (HasFailure()) return;
    for (std::size_t i = 0; i < seen.size(); ++i) seen.at(i) += shadow.results.at(i);
    for (std::size_t i = 0; i < kCounted; ++i) matched.at(i) += shadow.attempts.at(i);
    elsewhere += shadow.excluded;
  }
  ++seen[static_cast<std::size_t>(Cause::pending)];  // only where a file ends
  for (const std::uint64_t count : seen) EXPECT_GT(count, 0U) << "a result that never came";
  for (const std::uint64_t count : matched) EXPECT_GT(count, 0U) << "a filter that never matched";
  EXPECT_GT(elsewhere, 0U);
  EXPECT_GT(answered_again, 0U);
  EXPECT_GT(repeated, 0U);
}

}  // namespace
}  // namespace tcpeek::engine
