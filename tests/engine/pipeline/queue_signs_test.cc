// Which SYNs are signs of a full accept queue, and that there are never too many.
#include "engine/pipeline/queue_signs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/engine/pipeline/counting_rig.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using flowtable::test::Ends;
using flowtable::test::v4;
using test::CountingRig;
namespace flag = flowtable::tcp_flag;

constexpr std::int64_t kSecond = 1'000'000;

QueueSigns::List signs(CountingRig& rig, std::int64_t now_us) {
  QueueSigns::List list;
  rig.counter.top().queue_signs().report_to(
      list, flowtable::test::time_of(std::chrono::microseconds(now_us)));
  return list;
}

// Clients of 192.0.2.2:80, which is this host.
Ends client(std::uint16_t number) {
  return {v4(1, static_cast<std::uint16_t>(2000 + number)), v4(2, 80)};
}

void succeed(CountingRig& rig, const Ends& ends, std::int64_t at) {
  rig.see(ends.syn(10).at(at));
  rig.see(ends.synack(20, 11).at(at + 200));
  rig.see(ends.ack(11, 21).at(at + 300));
}

TEST(QueueSigns, ASynRepeatedWithoutAnswerIsOne) {
  CountingRig rig;
  succeed(rig, client(0), 0);
  rig.see(client(1).syn(10).at(kSecond));
  rig.see(client(2).syn(10).at(kSecond));
  EXPECT_EQ(signs(rig, kSecond).count, 0U);
  rig.see(client(1).syn(10).at(2 * kSecond));
  rig.see(client(2).syn(10).at(3 * kSecond));
  rig.see(client(2).syn(10).at(5 * kSecond));
  succeed(rig, client(3), 5 * kSecond);
  const QueueSigns::List list = signs(rig, 6 * kSecond);
  ASSERT_EQ(list.count, 1U);
  const QueueSign& sign = list.signs[0];
  EXPECT_EQ(sign.port, 80U);
  EXPECT_TRUE(sign.own);
  EXPECT_TRUE(sign.answered_ever);
  EXPECT_EQ(sign.unanswered, 2U) << "attempts, not SYNs";
  EXPECT_EQ(sign.answered_meanwhile, 1U);
  EXPECT_EQ(sign.last - sign.first, std::chrono::seconds(1));
  EXPECT_EQ(signs(rig, 63 * kSecond).count, 1U);
  EXPECT_EQ(signs(rig, 64 * kSecond).count, 0U) << "a minute later";
}

TEST(QueueSigns, WhatWasAnsweredIsNone) {
  CountingRig rig;
  rig.see(client(1).syn(10).at(0));
  rig.see(client(1).synack(20, 11).at(100));
  rig.see(client(1).syn(10).at(kSecond));
  rig.see(client(1).synack(20, 11).at(kSecond + 100));
  EXPECT_EQ(rig.totals()[ipc::Tally::retrying], 1U);
  EXPECT_EQ(signs(rig, kSecond).count, 0U);
}

TEST(QueueSigns, SoIsWhatGoesOut) {
  CountingRig rig;
  const Ends outgoing{v4(2, 2000), v4(9, 80)};
  rig.see(outgoing.syn(10).at(0));
  rig.see(outgoing.syn(10).at(kSecond));
  EXPECT_EQ(signs(rig, kSecond).count, 0U);
}

TEST(QueueSigns, AClientThatGaveUpIsOneWhereOthersSucceeded) {
  CountingRig rig;
  rig.see(client(1).syn(10).at(0));
  rig.tracker.sweep_all(flowtable::test::time_of(std::chrono::seconds(61)));
  EXPECT_EQ(signs(rig, 61 * kSecond).count, 0U) << "it never answered anyone";
  succeed(rig, client(2), 61 * kSecond);
  rig.see(client(3).syn(10).at(62 * kSecond));
  rig.tracker.sweep_all(flowtable::test::time_of(std::chrono::seconds(123)));
  EXPECT_EQ(signs(rig, 123 * kSecond).count, 1U);
}

TEST(QueueSigns, ADeferredAcceptIsNone) {
  CountingRig rig;
  for (std::uint16_t i = 0; i < 20; ++i) {
    succeed(rig, client(i), i * kSecond);
    rig.see(client(i).synack(20, 11).at((i + 1) * kSecond));
    rig.see(client(i).synack(20, 11).at((i + 3) * kSecond));
  }
  EXPECT_EQ(rig.totals()[ipc::Tally::late_synack], 40U);
  EXPECT_EQ(signs(rig, 25 * kSecond).count, 0U);
}

TEST(QueueSigns, AScanDisplacesNoneThatMayHaveAQueue) {
  CountingRig rig;
  succeed(rig, client(0), 0);
  rig.see(client(1).syn(10).at(1));
  rig.see(client(1).syn(10).at(kSecond));
  for (std::uint16_t port = 1000; port < 3000; ++port) {
    const Ends scan{v4(7, 4000), v4(2, port)};
    rig.see(scan.syn(10).at(kSecond));
    rig.see(scan.syn(10).at(2 * kSecond));
  }
  const QueueSigns::List list = signs(rig, 3 * kSecond);
  EXPECT_EQ(list.count, QueueSigns::kMost);
  EXPECT_TRUE(std::ranges::any_of(list.all(), [](const QueueSign& s) { return s.port == 80; }));
}

// A thousand runs, or the share of them that is asked for, in which segments are lost on the way here and on the way back, but every SYN that comes is
// answered.
TEST(QueueSigns, HealthyRunsHaveNone) {
  std::mt19937_64 random(1);
  for (std::uint64_t run = 0; run < tcpeek::test::share_of(1000); ++run) {
    CountingRig rig;
    const auto loss = random() % 40;
    const auto lost = [&] { return random() % 100 < loss; };
    for (std::uint16_t i = 0; i < 50; ++i) {
      const std::int64_t begun = i * kSecond / 10;
      std::int64_t wait = kSecond;
      for (std::int64_t at = begun; at < begun + 20 * kSecond; at += wait, wait *= 2) {
        if (lost()) continue;
        rig.see(client(i).syn(10).at(at));
        rig.see(client(i).synack(20, 11).at(at + 50));
        if (lost()) continue;
        if (!lost()) rig.see(client(i).ack(11, 21).at(at + 900));
        break;
      }
    }
    EXPECT_EQ(signs(rig, 60 * kSecond).count, 0U) << "run " << run;
  }
}

}  // namespace
}  // namespace tcpeek::engine
