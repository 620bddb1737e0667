// Sums of several reports, and that nothing of them is left out.
#include "engine/pipeline/snapshot_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace tcpeek::engine {
namespace {

using flowtable::Ignored;
using ipc::Snapshot;
using ipc::Tally;
using ::testing::UnorderedElementsAreArray;

constexpr std::size_t kFilters = 3;
constexpr std::size_t kInterfaces = 2;

// As many filters and interfaces as the reports below have.
const FilterRegistry kRegistry(parse_filters({"web:RX@%:80"}));

SnapshotFrame frame() {
  SnapshotFrame s;
  s.uptime = std::chrono::milliseconds(86'106);
  s.interfaces = {
      {.name = "eth0", .link_type = "EN10MB", .state = ipc::InterfaceState::up, .if_dropped = 3},
      {.name = "eth1", .link_type = "RAW"}};
  s.server.requests = 17;
  return s;
}

// Every number is its own, and a multiple of `unit`, so that a sum tells what it is made of.
ReaderReport report(std::uint64_t unit) {
  ReaderReport r;
  std::uint64_t next = 1;
  const auto number = [&] { return unit * next++; };
  r.generation = kRegistry.generation();
  for (std::uint64_t& value : r.outcomes.totals.values) value = number();
  r.outcomes.filters.resize(kFilters);
  for (ipc::Counts& counts : r.outcomes.filters) {
    for (std::uint64_t& value : counts.values) value = number();
    counts.latency.add(std::chrono::microseconds(unit));
  }
  r.outcomes.excluded = number();
  r.outcomes.not_local = number();
  r.outcomes.events_lost = number();
  r.tracker.used = number();
  r.tracker.syn_copies = number();
  r.tracker.synack_copies = number();
  r.tracker.late_syns = number();
  r.tracker.stray_syns = number();
  for (std::uint64_t& count : r.tracker.ignored.counts) count = number();
  for (std::uint64_t& count : r.undecoded.counts) count = number();
  r.delivered = number();
  r.unreadable = number();
  r.mailed_in = number();
  r.mailed_out = number();
  r.mailbox_full = number();
  r.pending = number();
  r.remembered = number();
  r.capacity = number();
  for (std::size_t i = 0; i < kInterfaces; ++i) {
    r.sockets.push_back({.seen = 100 * number(), .dropped = number(), .freezes = number()});
  }
  return r;
}

class SnapshotBuilderTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kSum = 1001;  // of the units

  ReaderReport one_ = report(1);
  ReaderReport two_ = report(1000);
  std::vector<ReaderView> views_{
      {.report = &one_, .id = 0, .cpu = 4, .mailbox_depth = 11, .event_queue_depth = 12},
      {.report = &two_, .id = 1, .cpu = -1, .mailbox_depth = 21, .event_queue_depth = 22}};
};

TEST_F(SnapshotBuilderTest, WhatTheFrameKnowsStays) {
  const Snapshot s = build_snapshot(frame(), kRegistry, views_);
  EXPECT_FALSE(s.version.empty());
  EXPECT_EQ(s.uptime.count(), 86'106);
  EXPECT_EQ(s.server.requests, 17U);
  ASSERT_EQ(s.interfaces.size(), 2U);
  EXPECT_EQ(s.interfaces[0].name, "eth0");
  EXPECT_EQ(s.interfaces[0].if_dropped, 3U);
  EXPECT_EQ(s.interfaces[0].state, ipc::InterfaceState::up);
  ASSERT_EQ(s.filters.size(), 3U);
  EXPECT_EQ(s.filters[2].expression, "web:RX@%:80");
}

TEST_F(SnapshotBuilderTest, OutcomesAreSummedTallyByTally) {
  const Snapshot s = build_snapshot(frame(), kRegistry, views_);
  for (std::size_t t = 0; t < ipc::kTallies; ++t) {
    EXPECT_EQ(s.totals.values.at(t), kSum * one_.outcomes.totals.values.at(t)) << t;
    for (std::size_t f = 0; f < kFilters; ++f) {
      EXPECT_EQ(s.filters[f].counts.values.at(t), kSum * one_.outcomes.filters[f].values.at(t));
    }
  }
  EXPECT_EQ(s.filters[1].counts.latency.count(), 2U);
  EXPECT_EQ(s.filters[1].counts.latency.sum_us(), kSum);
  EXPECT_EQ(s.attempts_excluded, kSum * one_.outcomes.excluded);
  EXPECT_EQ(s.attempts_not_local, kSum * one_.outcomes.not_local);
  EXPECT_EQ(s.syn_copies, kSum * one_.tracker.syn_copies);
  EXPECT_EQ(s.synack_copies, kSum * one_.tracker.synack_copies);
  EXPECT_EQ(s.late_syns, kSum * one_.tracker.late_syns);
  EXPECT_EQ(s.stray_syns, kSum * one_.tracker.stray_syns);
}

TEST_F(SnapshotBuilderTest, PacketsBySocketAndInterface) {
  const Snapshot s = build_snapshot(frame(), kRegistry, views_);
  for (std::size_t i = 0; i < kInterfaces; ++i) {
    EXPECT_EQ(s.interfaces[i].packets, kSum * one_.sockets[i].seen);
    EXPECT_EQ(s.interfaces[i].dropped, kSum * one_.sockets[i].dropped);
  }
  EXPECT_EQ(s.packets.seen, kSum * (one_.sockets[0].seen + one_.sockets[1].seen));
  EXPECT_EQ(s.packets.dropped, kSum * (one_.sockets[0].dropped + one_.sockets[1].dropped));
  EXPECT_EQ(s.packets.delivered, kSum * one_.delivered);
  EXPECT_EQ(s.packets.used, kSum * one_.tracker.used);
  EXPECT_EQ(s.packets.misrouted, kSum * (one_.mailed_out + one_.mailbox_full));
  EXPECT_EQ(s.packets.in_mailboxes, kSum * (one_.mailed_out - one_.mailed_in));
  EXPECT_EQ(s.packets.seen, s.packets.delivered + s.packets.dropped + s.packets.in_ring);
}

TEST_F(SnapshotBuilderTest, EveryReasonIsThereByItsName) {
  const Snapshot s = build_snapshot(frame(), kRegistry, views_);
  std::map<std::string_view, std::uint64_t> expected;
  for (std::size_t i = 0; i < flowtable::kIgnoredReasons; ++i) {
    expected[flowtable::kIgnoredNames.at(i)] =
        kSum * (one_.tracker.ignored.counts.at(i) + one_.undecoded.counts.at(i));
  }
  expected["unreadable"] = kSum * one_.unreadable;
  expected["mailbox_full"] = kSum * one_.mailbox_full;
  std::map<std::string_view, std::uint64_t> got;
  for (const ipc::NamedCount& named : s.packets.ignored) got[named.name] = named.count;
  EXPECT_EQ(got, expected);
  EXPECT_EQ(s.packets.ignored.size(), flowtable::kIgnoredReasons + 2) << "a name twice";
  EXPECT_EQ(got.at("bad_tcp_header"), kSum * (one_.tracker.ignored[Ignored::bad_tcp_header] +
                                              one_.undecoded[Ignored::bad_tcp_header]));
}

TEST_F(SnapshotBuilderTest, ReadersByThemselves) {
  const Snapshot s = build_snapshot(frame(), kRegistry, views_);
  ASSERT_EQ(s.readers.size(), 2U);
  const ipc::ReaderStats& second = s.readers[1];
  EXPECT_EQ(s.readers[0].id, 0U);
  EXPECT_EQ(s.readers[0].cpu, 4);
  EXPECT_EQ(second.id, 1U);
  EXPECT_EQ(second.cpu, -1);
  EXPECT_EQ(second.packets, two_.delivered);
  EXPECT_EQ(second.dropped, two_.sockets[0].dropped + two_.sockets[1].dropped);
  EXPECT_EQ(second.freezes, two_.sockets[0].freezes + two_.sockets[1].freezes);
  EXPECT_EQ(second.pending, two_.pending);
  EXPECT_EQ(second.remembered, two_.remembered);
  EXPECT_EQ(second.capacity, two_.capacity);
  EXPECT_EQ(second.mailbox_depth, 21U);
  EXPECT_EQ(second.event_queue_depth, 22U);
  EXPECT_EQ(second.events_lost, two_.outcomes.events_lost);
}

TEST_F(SnapshotBuilderTest, WithoutReadersAllIsZero) {
  const Snapshot s = build_snapshot(frame(), kRegistry, {});
  EXPECT_TRUE(s.readers.empty());
  EXPECT_EQ(s.totals.values, ipc::Counts().values);
  EXPECT_EQ(s.packets.in_ring + s.packets.in_mailboxes + s.packets.ignored_total(), 0U);
  EXPECT_EQ(s.packets.ignored.size(), flowtable::kIgnoredReasons + 2) << "zeros are shown";
}

// The identities of ipc/snapshot.h, for reports that keep those of engine/pipeline/reader_report.h.
TEST_F(SnapshotBuilderTest, IdentitiesHold) {
  ReaderReport a;
  a.outcomes.filters.resize(kFilters);
  a.sockets = {{.seen = 100, .dropped = 7, .freezes = 1}, {.seen = 20, .dropped = 0, .freezes = 0}};
  a.delivered = 110;
  a.mailed_in = 2;
  a.tracker.used = 60;
  a.tracker.ignored.counts[13] = 20;
  a.undecoded.counts[0] = 15;
  a.unreadable = 6;
  a.mailed_out = 10;
  a.mailbox_full = 1;
  ReaderReport b;
  b.outcomes.filters.resize(kFilters);
  b.sockets = {{.seen = 30, .dropped = 0, .freezes = 0}, {}};
  b.delivered = 30;
  b.mailed_in = 9;
  b.tracker.used = 36;
  b.mailed_out = 3;
  for (const ReaderReport* r : {&a, &b}) {
    std::uint64_t ignored = 0;
    for (const auto count : r->tracker.ignored.counts) ignored += count;
    for (const auto count : r->undecoded.counts) ignored += count;
    ASSERT_EQ(r->delivered + r->mailed_in,
              r->tracker.used + ignored + r->unreadable + r->mailed_out + r->mailbox_full);
  }
  const std::vector<ReaderView> views{{.report = &a}, {.report = &b}};
  const Snapshot s = build_snapshot(frame(), kRegistry, views);
  EXPECT_EQ(s.packets.in_ring, 3U);
  EXPECT_EQ(s.packets.in_mailboxes, 2U);
  EXPECT_EQ(s.packets.delivered,
            s.packets.used + s.packets.ignored_total() + s.packets.in_mailboxes);
}

// Reports that never add up are shown in the end: then no segment is in a mailbox, and not 2^64.
TEST_F(SnapshotBuilderTest, MoreArrivedThanWasSentIsNoneOnItsWay) {
  one_.mailed_in = one_.mailed_out + two_.mailed_out - two_.mailed_in + 1;
  EXPECT_EQ(build_snapshot(frame(), kRegistry, views_).packets.in_mailboxes, 0U);
}

TEST(MailAddsUpTest, NothingArrivesThatWasNotSent) {
  ReaderReport a;
  ReaderReport b;
  const std::vector<ReaderView> views{{.report = &a}, {.report = &b}};
  EXPECT_TRUE(mail_adds_up({}));
  EXPECT_TRUE(mail_adds_up(views));
  a.mailed_out = 5;
  EXPECT_TRUE(mail_adds_up(views)) << "still under way";
  b.mailed_in = 5;
  EXPECT_TRUE(mail_adds_up(views));
  b.mailed_in = 6;
  EXPECT_FALSE(mail_adds_up(views));
  b.mailed_out = 1;
  EXPECT_TRUE(mail_adds_up(views));
}

// Its number was another filter's, whose counts such a reader still has.
TEST(SnapshotBuilder, AReaderOfOlderRulesHasNoCountsOfANewFilter) {
  FilterRegistry registry(parse_filters({"old:RX@%:80"}));
  registry.exchange(parse_filters({}));
  for (int round = 0; round < 2; ++round) {
    registry.settle(registry.generation(), [](FilterId) { return 0U; });
  }
  registry.exchange(parse_filters({"new:RX@%:443"}));
  ReaderReport older = report(1);
  older.generation = registry.generation() - 1;
  ReaderReport newer = report(100);
  newer.generation = registry.generation();
  const std::vector<ReaderView> views{{.report = &older}, {.report = &newer}};
  const Snapshot s = build_snapshot(frame(), registry, views);
  ASSERT_EQ(s.filters.size(), 3U);
  EXPECT_EQ(s.filters[2].name, "new");
  EXPECT_EQ(s.filters[2].since, 3U);
  EXPECT_EQ(s.filters[2].counts[Tally::attempts], newer.outcomes.filters[2][Tally::attempts]);
  EXPECT_EQ(s.filters[0].counts[Tally::attempts], older.outcomes.filters[0][Tally::attempts] +
                                                      newer.outcomes.filters[0][Tally::attempts]);
}

}  // namespace
}  // namespace tcpeek::engine
