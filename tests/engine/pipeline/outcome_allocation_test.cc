// From the tracker to the counters and into the queue nothing is allocated, also when the queue is
// full.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "engine/pipeline/outcome_queue.h"
#include "engine/pipeline/top_exchange.h"
#include "tests/engine/pipeline/counting_rig.h"
#include "tests/support/allocations.h"

namespace tcpeek::engine {
namespace {

using flowtable::Segment;
using flowtable::test::AllocationCount;
using flowtable::test::Ends;
using flowtable::test::v4;
using flowtable::test::v6;
using ipc::Tally;
using test::CountingRig;
namespace flag = flowtable::tcp_flag;

constexpr std::uint32_t kOutcomes = 80'000;
static_assert(kOutcomes > OutcomeQueue::kCapacity, "they do not fit the queue");

std::vector<Segment> outcomes(std::uint32_t count) {
  std::vector<Segment> segments;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto port = static_cast<std::uint16_t>(i % 499 + 1);
    const Ends ends = i % 2 == 0 ? Ends{v4(1, port), v4(2, 80)} : Ends{v6(2, port), v6(1, 443)};
    const auto at = std::int64_t{i} * 10;
    segments.push_back(ends.syn(10 + i).at(at).segment());
    segments.push_back(ends.synack(20, 11 + i).at(at + 1).segment());
    segments.push_back(ends.ack(11 + i, 21).at(at + 2).segment());
    segments.push_back(ends.synack(20, 11 + i).at(at + 3).segment());
    segments.push_back(ends.up(flag::rst, 11 + i).at(at + 4).segment());
  }
  return segments;
}

TEST(OutcomeAllocation, CountingAndTellingAllocateNothing) {
  for (const bool listening : {true, false}) {
    CountingRig rig({"web:RX@%:80,192.0.2.0/24:1-9", ":RX@192.0.2.77:%", "t:TX@%:443"}, listening,
                    test::small_tracker(50));
    const auto segments = outcomes(kOutcomes);
    {
      const AllocationCount counted;
      ::operator delete(::operator new(1));
      ASSERT_GT(counted.so_far(), 0U) << "the count does not work";
    }
    const AllocationCount counted;
    for (const Segment& segment : segments) rig.tracker.on_segment(segment);
    OutcomeRecord outcome;
    for (int i = 0; i < 1000; ++i) static_cast<void>(rig.queue.pop(outcome));
    for (const Segment& segment : segments) rig.tracker.on_segment(segment);
    EXPECT_EQ(counted.so_far(), 0U);
    EXPECT_GE(rig.totals()[Tally::success], kOutcomes);
    EXPECT_EQ(rig.counts().events_lost > 0, listening) << "the queue was never full";
  }
}

TEST(OutcomeAllocation, PickingUpRulesAllocatesAndFreesNothingInTheReader) {
  CountingRig rig;
  std::vector<std::string> more;
  for (int i = 0; i < 100; ++i) more.push_back(fmt::format("f{}:RX@%:{}", i, i + 1));
  rig.filters.exchange(parse_filters(more));
  OutcomeCounts report = rig.counts();
  rig.counter.report_to(report);
  rig.rules.offer(reader_rules(rig.filters, test::locality_of({"192.0.2.3", "192.0.2.4"})));
  const AllocationCount counted;
  rig.counter.pick_up_rules();
  rig.counter.report_to(report);
  EXPECT_EQ(counted.so_far(), 0U);
  EXPECT_EQ(report.filters.size(), 102U);
}

TEST(OutcomeAllocation, AnsweringTopAllocatesNothing) {
  CountingRig rig;
  for (std::uint16_t i = 0; i < 5000; ++i) {
    const Ends ends{v4(1, 9), v4(2, i)};
    rig.see(ends.syn(10).at(i));
    rig.see(ends.down(flag::rst | flag::ack, 0, 11).at(i));
  }
  TopExchange exchange;
  TopQuery query;
  for (const ipc::TopBy by : {ipc::TopBy::service, ipc::TopBy::pair}) {
    query.by = by;
    query.part = TopQuery::Part::candidates;
    exchange.ask(query);
    const AllocationCount counted;
    int turns = 1;
    while (exchange.work(rig.counter.top(), rig.timeline, flowtable::PacketTime())) ++turns;
    EXPECT_EQ(turns, by == ipc::TopBy::service ? 2 : 1);
    EXPECT_FALSE(exchange.report().candidates.empty());
    query.part = TopQuery::Part::details;
    query.count = query.keys.size();
    query.keys.fill(exchange.report().candidates.front().key);
    exchange.ask(query);
    EXPECT_FALSE(exchange.work(rig.counter.top(), rig.timeline, flowtable::PacketTime()));
    EXPECT_EQ(counted.so_far(), 0U);
  }
}

}  // namespace
}  // namespace tcpeek::engine
