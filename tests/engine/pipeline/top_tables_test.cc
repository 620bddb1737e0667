// What the counter tells the tables of services and peers, and what they tell the reactor.
#include "engine/pipeline/top_tables.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/pipeline/service_members.h"
#include "engine/pipeline/top_builder.h"
#include "engine/pipeline/top_exchange.h"
#include "tests/engine/pipeline/counting_rig.h"

namespace tcpeek::engine {
namespace {

using flowtable::test::Ends;
using flowtable::test::v4;
using flowtable::test::v6;
using ipc::TopBy;
using test::CountingRig;
namespace flag = flowtable::tcp_flag;

constexpr std::int64_t kSecond = 1'000'000;

void succeed(CountingRig& rig, const Ends& ends, std::int64_t at) {
  rig.see(ends.syn(10).at(at));
  rig.see(ends.synack(20, 11).at(at + 200));
  rig.see(ends.ack(11, 21).at(at + 300));
}

void refuse(CountingRig& rig, const Ends& ends, std::int64_t at) {
  rig.see(ends.syn(10).at(at));
  rig.see(ends.down(flag::rst | flag::ack, 0, 11).at(at + 200));
}

// What the reactor gets of one reader.
ipc::Top top_of(CountingRig& rig, TopBy by, unsigned count = 10) {
  TopExchange exchange;
  TopQuery query;
  query.by = by;
  const TopReport* report = &exchange.report();
  exchange.ask(query);
  while (exchange.work(rig.counter.top(), rig.timeline, flowtable::PacketTime())) {
  }
  EXPECT_TRUE(exchange.ready());
  const TopChoice choice = choose_top(TopReports(&report, 1), count);
  query.part = TopQuery::Part::details;
  query.count = choice.keys.size();
  std::copy(choice.keys.begin(), choice.keys.end(), query.keys.begin());
  exchange.ask(query);
  EXPECT_FALSE(exchange.work(rig.counter.top(), rig.timeline, flowtable::PacketTime()));
  EXPECT_TRUE(exchange.ready());
  return build_top({.count = count, .by = by}, choice, TopReports(&report, 1), {});
}

TEST(TopTables, AProbeIsNobodysFailure) {
  CountingRig rig;
  const Ends checker{v4(1, 2000), v4(2, 80)};
  rig.see(checker.syn(10).at(0));
  rig.see(checker.synack(20, 11).at(200));
  rig.see(checker.up(flag::rst | flag::ack, 11, 21).at(300));
  const ipc::Top services = top_of(rig, TopBy::service);
  ASSERT_EQ(services.services.size(), 1U);
  EXPECT_EQ(services.services[0].failures.causes.probe, 1U);
  EXPECT_EQ(services.services[0].recent_failures, 0U);
  EXPECT_FALSE(services.services[0].failing_since);
  EXPECT_TRUE(top_of(rig, TopBy::initiator).peers.empty());
}

TEST(TopTables, NamesTheServiceThatRefusesFirst) {
  CountingRig rig;
  for (std::uint16_t i = 0; i < 20; ++i) {
    succeed(rig, {v4(1, static_cast<std::uint16_t>(2000 + i)), v4(2, 80)}, i * kSecond);
  }
  for (std::uint16_t i = 0; i < 3; ++i) {
    refuse(rig, {v4(1, static_cast<std::uint16_t>(3000 + i)), v4(2, 81)}, (30 + i) * kSecond);
  }
  const ipc::Top top = top_of(rig, TopBy::service);
  ASSERT_EQ(top.services.size(), 2U);
  const ipc::TopServiceRow& refusing = top.services[0];
  EXPECT_EQ(refusing.address, "192.0.2.2");
  EXPECT_EQ(refusing.port, 81U);
  EXPECT_TRUE(refusing.responder_local);
  EXPECT_FALSE(refusing.initiator_local);
  EXPECT_EQ(refusing.attempts, 3U);
  EXPECT_EQ(refusing.failures.causes.refused, 3U);
  EXPECT_EQ(refusing.recent_failures, 3U);
  EXPECT_FALSE(refusing.last_success);
  EXPECT_TRUE(refusing.failing_since);
  const ipc::TopServiceRow& healthy = top.services[1];
  EXPECT_EQ(healthy.success, 20U);
  EXPECT_EQ(healthy.syn_to_synack.count, 20U);
  EXPECT_EQ(healthy.syn_to_synack.p50.count(), 224) << "200 us is between 192 and 256";
  EXPECT_EQ(healthy.synack_to_ack.p99.count(), 112) << "100 us is between 96 and 128";
  EXPECT_FALSE(healthy.failing_since);
  EXPECT_EQ(top.unlisted_failures, 0U);
  EXPECT_EQ(top.services_known, 2U);
}

TEST(TopTables, LeavesOutLegsOfRepeatedSegments) {
  CountingRig rig;
  const Ends ends{v4(1, 2000), v4(2, 80)};
  rig.see(ends.syn(10).at(0));
  rig.see(ends.syn(10).at(kSecond));
  rig.see(ends.synack(20, 11).at(kSecond + 200));
  rig.see(ends.ack(11, 21).at(kSecond + 300));
  const ipc::Top top = top_of(rig, TopBy::service);
  ASSERT_EQ(top.services.size(), 1U);
  EXPECT_EQ(top.services[0].legs_left_out, 1U);
  EXPECT_EQ(top.services[0].syn_to_synack.count, 0U);
  EXPECT_EQ(top.services[0].dup_syn_segments, 1U);
}

TEST(TopTables, TellsWhatIsRetryingAndWhoIsAnsweredMeanwhile) {
  CountingRig rig;
  const Ends waits{v4(1, 2000), v4(2, 80)};
  rig.see(waits.syn(10).at(0));
  rig.see(waits.syn(10).at(kSecond));
  rig.see(waits.syn(10).at(3 * kSecond));
  succeed(rig, {v4(1, 2001), v4(2, 80)}, 4 * kSecond);
  succeed(rig, {v4(1, 2002), v4(2, 81)}, 4 * kSecond);
  ipc::Top top = top_of(rig, TopBy::service);
  ASSERT_EQ(top.services.size(), 2U);
  EXPECT_EQ(top.services[0].port, 80U);
  EXPECT_EQ(top.services[0].retrying, 1U);
  EXPECT_EQ(top.services[0].retrying_dup_syn_segments, 2U);
  EXPECT_EQ(top.services[0].answered_meanwhile, 1U);
  EXPECT_EQ(top.services[1].answered_meanwhile, 0U);
  rig.see(waits.synack(20, 11).at(7 * kSecond));
  rig.see(waits.ack(11, 21).at(7 * kSecond + 100));
  top = top_of(rig, TopBy::service);
  EXPECT_EQ(top.services[0].retrying, 0U);
  EXPECT_EQ(top.services[0].retrying_dup_syn_segments, 0U);
}

// However often they come; what the service suffers comes first.
TEST(TopTables, ProbesAndScansDoNotCountForTheOrder) {
  CountingRig rig;
  for (std::uint16_t i = 0; i < 50; ++i) {
    const Ends probed{v4(1, static_cast<std::uint16_t>(2000 + i)), v4(2, 80)};
    rig.see(probed.syn(10).at(i));
    rig.see(probed.synack(20, 11).at(i + 1));
    rig.see(probed.up(i % 2 == 0 ? flag::rst | flag::ack : flag::rst, 11, 21).at(i + 2));
  }
  refuse(rig, {v4(1, 3000), v4(2, 81)}, 100);
  // Both windows pass.
  for (int window = 1; window < 4; ++window) {
    succeed(rig, {v4(1, 4000), v4(2, 82)}, window * 301 * kSecond);
  }
  const ipc::Top top = top_of(rig, TopBy::service);
  ASSERT_EQ(top.services.size(), 3U);
  EXPECT_EQ(top.services[0].port, 81U);
  EXPECT_EQ(top.services[0].recent_failures, 0U);
  EXPECT_EQ(top.services[1].port, 80U) << "most attempts";
  EXPECT_EQ(top.services[1].failures.causes.probe, 25U);
  EXPECT_EQ(top.services[1].failures.causes.half_open, 25U);
}

TEST(TopTables, TellsRstsThatMayBeFromADevice) {
  CountingRig rig;
  succeed(rig, {v4(2, 2000), v4(9, 80)}, 0);
  const Ends ends{v4(2, 2001), v4(9, 81)};
  rig.see(ends.syn(10).at(kSecond));
  rig.see(ends.down(flag::rst | flag::ack, 0, 11).at(kSecond + 10).hops(40));
  const ipc::Top top = top_of(rig, TopBy::service);
  ASSERT_EQ(top.services.size(), 2U);
  EXPECT_EQ(top.services[0].rst_suspect, 1U);
  EXPECT_EQ(top.services[1].rst_suspect, 0U);
}

TEST(TopTables, ExcludedAttemptsCountNowhereAndForeignOnesAsNeither) {
  CountingRig rig({":RX@192.0.2.77:%"});
  refuse(rig, {v4(77, 2000), v4(2, 80)}, 0);
  refuse(rig, {v4(8, 2000), v4(9, 80)}, kSecond);
  EXPECT_EQ(rig.counts().excluded, 1U);
  EXPECT_EQ(rig.counts().not_local, 1U);
  const ipc::Top top = top_of(rig, TopBy::service);
  ASSERT_EQ(top.services.size(), 1U);
  EXPECT_EQ(top.services[0].address, "192.0.2.9");
  EXPECT_FALSE(top.services[0].responder_local || top.services[0].initiator_local);
  EXPECT_EQ(top.others.attempts, 0U);
}

TEST(TopTables, TellsPeersOfFailuresWithTheirAttempts) {
  CountingRig rig;
  for (std::uint16_t i = 0; i < 5; ++i) {
    refuse(rig, {v4(1, static_cast<std::uint16_t>(2000 + i)), v4(2, 81)}, i * kSecond);
    succeed(rig, {v4(1, static_cast<std::uint16_t>(3000 + i)), v4(2, 80)}, i * kSecond);
    refuse(rig, {v6(2, static_cast<std::uint16_t>(4000 + i)), v6(9, 443)}, i * kSecond);
  }
  succeed(rig, {v4(5, 1), v4(2, 80)}, 0);
  const ipc::Top initiators = top_of(rig, TopBy::initiator);
  ASSERT_EQ(initiators.peers.size(), 2U) << "who never failed is not listed";
  for (const ipc::TopPeerRow& row : initiators.peers) {
    const bool v4_peer = row.initiator == "192.0.2.1";
    EXPECT_TRUE(v4_peer || row.initiator == "2001:db8::2") << row.initiator;
    EXPECT_EQ(row.failures.total, 5U);
    EXPECT_EQ(row.failures.causes.refused, 5U);
    EXPECT_EQ(row.failures_error, 0U);
    EXPECT_EQ(row.attempts, v4_peer ? 10U : 5U);
    EXPECT_LT(row.first_failure, row.last_failure);
  }
  const ipc::Top pairs = top_of(rig, TopBy::pair, 1);
  ASSERT_EQ(pairs.peers.size(), 1U);
  EXPECT_FALSE(pairs.peers[0].responder.empty());
  EXPECT_EQ(pairs.unlisted_failures, 5U) << "the other pair";
  const ipc::Top networks = top_of(rig, TopBy::network);
  ASSERT_EQ(networks.peers.size(), 2U);
  for (const ipc::TopPeerRow& row : networks.peers) {
    EXPECT_TRUE(row.network == "192.0.2.0/24" || row.network == "2001:db8::/48") << row.network;
  }
}

TEST(TopTables, ForgetsFailuresOfLongAgoAsRecentOnes) {
  CountingRig rig;
  refuse(rig, {v4(1, 2000), v4(2, 81)}, 0);
  EXPECT_EQ(top_of(rig, TopBy::initiator).peers.size(), 1U);
  succeed(rig, {v4(1, 2001), v4(2, 80)}, 6 * 60 * kSecond);
  EXPECT_EQ(top_of(rig, TopBy::initiator).peers.size(), 1U) << "the window before";
  succeed(rig, {v4(1, 2002), v4(2, 80)}, 12 * 60 * kSecond);
  EXPECT_EQ(top_of(rig, TopBy::initiator).peers.size(), 0U);
  const ipc::Top top = top_of(rig, TopBy::service);
  EXPECT_EQ(top.services.at(0).port, 81U) << "nothing failed since, but this did before";
  EXPECT_EQ(top.services.at(0).recent_failures, 0U);
  EXPECT_EQ(top.services.at(0).failures.causes.refused, 1U);
}

// What METRICS lists, from a reader's own tables: local services by port, remote ones by address.
TEST(TopTables, TellsServicesForMetrics) {
  CountingRig rig;
  succeed(rig, {v4(1, 2000), v4(2, 80)}, 0);
  succeed(rig, {v6(1, 2000), v6(2, 80)}, kSecond);
  refuse(rig, {v4(1, 2001), v4(2, 81)}, 2 * kSecond);
  succeed(rig, {v4(2, 2000), v4(7, 443)}, 3 * kSecond);
  ServiceMembers members({.local = 10, .remote = 10});
  TopExchange exchange;
  const TopReport* report = &exchange.report();
  int rounds = 0;
  do {
    exchange.ask(members.query());
    while (exchange.work(rig.counter.top(), rig.timeline, flowtable::PacketTime())) {
    }
    ASSERT_TRUE(exchange.ready());
    ASSERT_LT(++rounds, 3);
  } while (members.update(TopReports(&report, 1)));
  const ipc::ServiceMetrics metrics = members.metrics();
  ASSERT_EQ(metrics.services.size(), 2U);
  EXPECT_EQ(metrics.services[0].port, 80U);
  EXPECT_EQ(metrics.services[0].counts.success, 2U) << "both addresses of this host";
  EXPECT_EQ(metrics.services[1].address, "192.0.2.7");
  EXPECT_EQ(metrics.services[1].port, 443U);
  EXPECT_EQ(metrics.services[1].counts.attempts, 1U);
}

// More services than are named at once, looked at in several turns.
TEST(TopTables, TellsWhatIsNotListed) {
  CountingRig rig({}, false, test::small_tracker(100));
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const auto port = static_cast<std::uint16_t>(1 + i);
    const Ends ends{v4(1, 2000), v4(2, port)};
    for (std::int64_t n = 0; n < (i < 20 ? 3 : i < 5000 ? 1 : 0); ++n) {
      refuse(rig, ends, 10 * i + n * 3);
    }
    succeed(rig, ends, 10 * i + 9);
  }
  const ipc::Top top = top_of(rig, TopBy::service, 20);
  ASSERT_EQ(top.services.size(), 20U);
  EXPECT_EQ(top.services_known, 10'000U);
  EXPECT_GE(top.unlisted_failures, 1U);
}

}  // namespace
}  // namespace tcpeek::engine
