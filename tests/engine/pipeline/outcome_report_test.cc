// A report that is brought up to date again and again has what is counted, though most of it is not copied.
#include <gtest/gtest.h>

#include "tests/engine/pipeline/counting_rig.h"

namespace tcpeek::engine {
namespace {

using flowtable::test::Ends;
using flowtable::test::v4;
using ipc::Tally;
using test::CountingRig;

const Ends kIn({v4(1, 6), v4(2, 80)});

TEST(OutcomeReportTest, IsBroughtUpToDate) {
  CountingRig rig({"a:RX@%:80"});
  OutcomeCounts report = rig.counts();
  rig.see(kIn.syn(10));
  rig.see(kIn.synack(20, 11).at(1000));
  rig.see(kIn.ack(11, 21).at(1500));
  rig.counter.report_to(report);
  EXPECT_EQ(report.filters[2].latency.count(), 1U);
  // Its number goes to another filter, whose tallies come to be the same.
  rig.exchange({});
  rig.filters.settle(rig.counter.generation(),
                     [&](FilterId id) { return rig.filter(id)[Tally::pending]; });
  rig.exchange({"b:RX@%:80"});
  const Ends other({v4(1, 7), v4(2, 80)});
  rig.see(other.syn(10).at(100));
  rig.see(other.synack(500, 11).at(20'000));
  rig.see(other.ack(11, 501).at(40'000));
  rig.counter.report_to(report);
  ASSERT_EQ(report.filters[2].values, rig.filter(2).values);
  EXPECT_EQ(report.filters[2].latency.buckets(), rig.filter(2).latency.buckets());
  EXPECT_EQ(report.totals.latency.count(), 2U);
}

}  // namespace
}  // namespace tcpeek::engine
