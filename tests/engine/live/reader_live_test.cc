// Readers on real rings: what was sent is what they count, however many they are and wherever the
// packets land.
#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/live/snapshot_collector.h"
#include "tests/engine/live/live_readers.h"

namespace tcpeek::engine {
namespace {

using ipc::Tally;
using tcpeek::test::eventually;
using test::capture;
using test::Played;
using test::ReadersRig;
using test::Talk;
using namespace std::chrono_literals;

class ReaderLiveTest : public tcpeek::test::LiveTest {
 protected:
  void SetUp() override {
    LiveTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    outside_.emplace("tp1");
    inside_.emplace("tp0");
  }

  // The senders are gone before the namespace.
  void TearDown() override {
    outside_.reset();
    inside_.reset();
    LiveTest::TearDown();
  }

  static test::SteeringProgram true_steering() {
    return ring::steering_program(test::test_steering());
  }

  Played play(std::uint16_t first, std::uint16_t count) {
    return test::play(*outside_, *inside_, first, count);
  }

  static std::uint64_t seen(const ReadersRig& readers) {
    std::uint64_t total = 0;
    for (const ReaderView& reader : readers.readers().views()) {
      for (const auto& socket : reader.report->sockets) total += socket.seen - socket.dropped;
    }
    return total;
  }

  static void expect_counts(const ReadersRig& readers, const Played& played) {
    EXPECT_EQ(readers.sum(Tally::attempts), played.attempts());
    EXPECT_EQ(readers.sum(Tally::success), played.successes);
    EXPECT_EQ(readers.sum(Tally::refused), played.refused);
    EXPECT_EQ(readers.sum(Tally::unreachable), played.unreachable);
    EXPECT_EQ(readers.sum(Tally::pending), played.pending);
    EXPECT_EQ(readers.sum(Tally::success_dup_syn) + readers.sum(Tally::success_dup_synack), 0U);
    EXPECT_EQ(readers.sum(&ReaderReport::delivered), played.packets());
    EXPECT_EQ(readers.sum(&ReaderReport::mailed_in), readers.sum(&ReaderReport::mailed_out));
    EXPECT_EQ(seen(readers), played.packets());
    for (const ReaderView& reader : readers.readers().views()) {
      EXPECT_EQ(reader.report->tracker.used,
                reader.report->delivered + reader.report->mailed_in - reader.report->mailed_out)
          << "every packet sent moves an attempt";
      for (const auto& filter : reader.report->outcomes.filters) {
        EXPECT_EQ(filter[Tally::attempts], filter.accounted());
      }
    }
  }

  static bool all_delivered(const ReadersRig& readers, const Played& played) {
    return readers.sum(&ReaderReport::delivered) >= played.packets() &&
           readers.sum(&ReaderReport::mailed_in) == readers.sum(&ReaderReport::mailed_out);
  }

  // An ICMP error is final only after some seconds.
  static bool all_decided(const ReadersRig& readers, const Played& played) {
    return all_delivered(readers, played) && readers.sum(Tally::unreachable) >= played.unreachable;
  }

  std::optional<tcpeek::test::FrameSender> outside_;
  std::optional<tcpeek::test::FrameSender> inside_;
};

TEST_F(ReaderLiveTest, ManyReadersCountAsOne) {
  for (const unsigned count : {1U, 2U, 3U}) {
    SCOPED_TRACE(std::to_string(count) + " readers");
    ReadersRig readers(count, {"web:RX@%:80", "other:RX@%:81"},
                       capture(count, {"tp0"}, true_steering()));
    readers.start();
    const Played played = play(1000, 400);
    ASSERT_TRUE(readers.reports_until([&] { return all_decided(readers, played); }));
    expect_counts(readers, played);
    EXPECT_EQ(readers.sum(&ReaderReport::mailed_out), 0U) << "steered right";
    std::uint64_t web = 0;
    std::uint64_t rx = 0;
    for (const ReaderView& reader : readers.readers().views()) {
      const auto& filters = reader.report->outcomes.filters;
      rx += filters[0][Tally::attempts];
      web += filters[2][Tally::attempts];
      EXPECT_EQ(filters[1][Tally::attempts] + filters[3][Tally::attempts], 0U);
      EXPECT_GT(reader.report->delivered, 0U) << "each has its share";
    }
    EXPECT_EQ(rx, played.attempts());
    EXPECT_EQ(web, played.attempts());
  }
}

TEST_F(ReaderLiveTest, WhatSteeringDidNotSeeArrivesByMail) {
  ReadersRig readers(3, {}, capture(3, {"tp0"}, test::kAllToTheFirst));
  readers.start();
  const Played played = play(1000, 400);
  ASSERT_TRUE(readers.reports_until([&] { return all_decided(readers, played); }));
  expect_counts(readers, played);
  EXPECT_EQ(readers.reader(0).report().delivered, played.packets());
  EXPECT_GT(readers.reader(0).report().mailed_out, played.packets() / 3);
  EXPECT_EQ(readers.reader(0).report().mailed_in, 0U);
  EXPECT_GT(readers.reader(1).report().mailed_in, 0U);
  EXPECT_GT(readers.reader(2).report().mailed_in, 0U);
  EXPECT_EQ(readers.sum(&ReaderReport::mailbox_full), 0U);
}

TEST_F(ReaderLiveTest, ExtensionHeadersAreNoObstacle) {
  ReadersRig readers(2, {}, capture(2, {"tp0"}, true_steering()));
  readers.start();
  constexpr std::uint16_t kTalks = 60;
  const auto dressed = [](tcpeek::test::PacketBuilder packet) {
    return packet.extension(0).extension(60).extension(60).extension(60).build();
  };
  for (std::uint16_t i = 0; i < kTalks; ++i) {
    const Talk talk(static_cast<std::uint16_t>(2000 + i), true);
    outside_->send(dressed(talk.syn()));
    inside_->send(dressed(talk.synack()));
    outside_->send(dressed(talk.ack()));
  }
  EXPECT_TRUE(readers.reports_until([&] { return readers.sum(Tally::success) == kTalks; }));
  EXPECT_EQ(readers.sum(Tally::attempts), kTalks);
}

TEST_F(ReaderLiveTest, TheEndReadsWhatWasCapturedUntilThen) {
  for (const auto& steering : {true_steering(), test::kAllToTheFirst}) {
    ReadersRig readers(2, {}, capture(2, {"tp0"}, steering));
    readers.start();
    const Played played = play(1000, 2000);
    readers.stop();
    expect_counts(readers, played);
  }
}

TEST_F(ReaderLiveTest, AfterTheEndNothingIsCaptured) {
  ReadersRig readers(2, {}, capture(2, {"tp0"}, true_steering()));
  readers.start();
  const Played played = play(1000, 40);
  readers.stop();
  static_cast<void>(play(5000, 40));
  expect_counts(readers, played);
}

TEST_F(ReaderLiveTest, StartsAndStopsInATrice) {
  for (int i = 0; i < 10; ++i) {
    ReadersRig readers(2, {}, capture(2, {"tp0"}, true_steering()));
    readers.start();
  }
}

// The two directions land on two readers, so half of each flow comes by mail: whatever order they
// come in, every packet and every attempt is accounted for.
TEST_F(ReaderLiveTest, FlowsOfWhichHalfComesByMail) {
  const test::SteeringProgram by_direction{
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING},
      {BPF_RET | BPF_K, 0, 0, 1},
      {BPF_RET | BPF_K, 0, 0, 0}};
  ReadersRig readers(2, {}, capture(2, {"tp0"}, by_direction));
  readers.start();
  const Played played = play(1000, 400);
  ASSERT_TRUE(readers.reports_until([&] { return all_delivered(readers, played); }));
  EXPECT_EQ(readers.sum(Tally::attempts), played.attempts());
  EXPECT_EQ(readers.sum(&ReaderReport::delivered), played.packets());
  for (const ReaderView& reader : readers.readers().views()) {
    const ReaderReport& r = *reader.report;
    EXPECT_GT(r.mailed_in, 0U);
    EXPECT_EQ(r.outcomes.totals[Tally::attempts], r.outcomes.totals.accounted());
    std::uint64_t ignored = 0;
    for (const std::uint64_t count : r.tracker.ignored.counts) ignored += count;
    EXPECT_EQ(r.delivered + r.mailed_in, r.tracker.used + ignored + r.mailed_out);
  }
}

// It enters by one interface and leaves by another; packets are read in the order of their time.
TEST_F(ReaderLiveTest, AFlowOverTwoInterfaces) {
  tcpeek::test::ip(
      "link add tq0 address 02:00:00:00:00:03 type veth peer name tq1 "
      "address 02:00:00:00:00:04");
  tcpeek::test::ip("link set tq0 addrgenmode none");
  tcpeek::test::ip("link set tq1 addrgenmode none");
  tcpeek::test::bring_up({"tq0", "tq1"});
  const tcpeek::test::FrameSender back("tq0");
  for (const unsigned count : {1U, 2U}) {
    ReadersRig readers(count, {}, capture(count, {"tp0", "tq0"}, true_steering()));
    readers.start();
    constexpr std::uint16_t kTalks = 300;
    for (std::uint16_t i = 0; i < kTalks; ++i) {
      const Talk talk(static_cast<std::uint16_t>(1000 + i), i % 2 == 0);
      outside_->send(talk.syn().build());
      back.send(talk.synack().build());
      outside_->send(talk.ack().build());
    }
    EXPECT_TRUE(readers.reports_until(
        [&] { return readers.sum(&ReaderReport::delivered) >= 3U * kTalks; }));
    EXPECT_EQ(readers.sum(Tally::success), kTalks);
    EXPECT_EQ(readers.sum(Tally::half_seen), 0U) << "SYN/ACKs were read before their ACKs";
    EXPECT_EQ(readers.sum(&ReaderReport::mailed_out), 0U);
    ASSERT_EQ(readers.reader(0).report().sockets.size(), 2U);
    std::uint64_t by_second = 0;
    for (const ReaderView& reader : readers.readers().views())
      by_second += reader.report->sockets[1].seen;
    EXPECT_EQ(by_second, kTalks);
  }
}

// One interface is silent: what the other shows is not held back for long.
TEST_F(ReaderLiveTest, ASilentInterfaceHoldsNothingUp) {
  ReadersRig readers(1, {}, capture(1, {"tp0", "tp1"}, true_steering()));
  readers.start();
  tcpeek::test::ip("link set lo up");
  const Talk talk(1000, false);
  outside_->send(talk.syn().build());
  EXPECT_TRUE(readers.reports_until([&] { return readers.sum(Tally::attempts) == 1; }));
}

TEST_F(ReaderLiveTest, GoesOnWhenTheInterfaceComesBack) {
  ReadersRig readers(2, {}, capture(2, {"tp0"}, true_steering()));
  readers.start();
  const Played before = play(1000, 40);
  ASSERT_TRUE(readers.reports_until([&] { return all_delivered(readers, before); }));
  tcpeek::test::ip("link set tp0 down");
  ASSERT_TRUE(readers.take_reports()) << "a reader hangs";
  tcpeek::test::bring_up({"tp0", "tp1"});
  const Played after = play(2000, 40);
  ASSERT_TRUE(readers.reports_until(
      [&] { return readers.sum(&ReaderReport::delivered) >= before.packets() + after.packets(); }));
  EXPECT_EQ(readers.sum(Tally::attempts), before.attempts() + after.attempts());
  EXPECT_EQ(readers.sum(Tally::success), before.successes + after.successes);
}

TEST_F(ReaderLiveTest, StopsWhenTheInterfaceIsGone) {
  ReadersRig readers(2, {}, capture(2, {"tp0"}, true_steering()));
  readers.start();
  const Played played = play(1000, 40);
  ASSERT_TRUE(readers.reports_until([&] { return all_decided(readers, played); }));
  tcpeek::test::ip("link del tp0");
  ASSERT_TRUE(readers.take_reports()) << "a reader hangs";
  const auto start = std::chrono::steady_clock::now();
  readers.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, tcpeek::test::kPatience);
  expect_counts(readers, played);
}

// An idle reader sleeps: a reader whose interface is down, or gone, too.
TEST_F(ReaderLiveTest, NothingToDoCostsNothing) {
  const auto cpu_ms = [] {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
  };
  for (const std::string trouble : {"", "link set tp0 down", "link del tp0"}) {
    ReadersRig readers(1, {}, capture(1, {"tp0"}, true_steering()));
    readers.start();
    if (!trouble.empty()) tcpeek::test::ip(trouble);
    ASSERT_TRUE(readers.take_reports());
    const auto before = cpu_ms();
    std::this_thread::sleep_for(400ms);
    EXPECT_LT(cpu_ms() - before, 200) << "busy though idle: " << trouble;
    if (trouble == "link set tp0 down") tcpeek::test::bring_up({"tp0", "tp1"});
  }
}

// Snapshots while packets come and mail is under way: the identities of ipc/snapshot.h hold in
// each of them.
TEST_F(ReaderLiveTest, EverySnapshotAddsUp) {
  ReadersRig readers(2, {"web:RX@%:80", ":RX@192.0.2.1:80"},
                     capture(2, {"tp0"}, test::kAllToTheFirst));
  ipc::Reactor reactor;
  const Interfaces interfaces({"tp0"}, {}, ring::read_links());
  SnapshotCollector snapshot_collector(reactor, readers.readers(), readers.filters(), interfaces,
                                       read_clocks());
  readers.start();
  Played played;
  std::jthread sender([&] { played = play(1000, 4000); });
  int snapshots = 0;
  const std::function<void(const ipc::Snapshot&)> check = [&](const ipc::Snapshot& s) {
    ++snapshots;
    EXPECT_EQ(s.totals[Tally::attempts], s.totals.accounted());
    for (const auto& filter : s.filters) {
      EXPECT_EQ(filter.counts[Tally::attempts], filter.counts.accounted());
    }
    const ipc::PacketStats& p = s.packets;
    EXPECT_EQ(p.seen, p.delivered + p.dropped + p.in_ring);
    EXPECT_EQ(p.delivered, p.used + p.ignored_total() + p.in_mailboxes);
    EXPECT_LE(p.in_ring, p.seen) << "negative";
    EXPECT_LE(p.in_mailboxes, p.seen) << "negative";
    if (testing::Test::HasFailure() || (snapshots > 50 && p.seen >= 4000)) return reactor.stop();
    snapshot_collector.collect(check);
  };
  snapshot_collector.collect(check);
  reactor.after(300s, [&] {
    ADD_FAILURE() << "no end";
    reactor.stop();
  });
  reactor.run();
  sender.join();
  readers.stop();
  const ipc::Snapshot last = snapshot_collector.last();
  EXPECT_EQ(last.packets.in_ring + last.packets.in_mailboxes, 0U);
  EXPECT_EQ(last.packets.seen, played.packets());
  EXPECT_GT(last.attempts_excluded, 0U);
  // A sanitizer may be too slow for the packets; then they are counted as lost.
  const std::uint64_t lost = last.packets.dropped + readers.sum(&ReaderReport::mailbox_full);
  EXPECT_EQ(last.packets.used + last.packets.ignored_total() + last.packets.dropped,
            played.packets());
  if (lost > 0) return;
  EXPECT_EQ(last.totals[Tally::success], played.successes);
  EXPECT_EQ(last.filters[0].counts[Tally::attempts] + last.attempts_excluded, played.attempts());
}

}  // namespace
}  // namespace tcpeek::engine
