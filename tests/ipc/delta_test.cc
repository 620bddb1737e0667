// Differences of snapshots, and packed ones.
#include "ipc/delta.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "ipc/packed_snapshot.h"
#include "ipc/snapshot_counters.h"
#include "ipc/stats_json.h"
#include "tests/support/seeds.h"

namespace tcpeek::ipc {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

FilterStats filter(const std::string& name, std::uint64_t attempts, bool removed = false) {
  FilterStats f;
  f.name = name;
  f.expression = name + ":RX@%:80";
  f.removed = removed;
  f.counts[Tally::attempts] = attempts;
  f.counts[Tally::success] = attempts;
  f.counts[Tally::pending] = 3;
  return f;
}

Snapshot with(std::vector<FilterStats> filters) {
  Snapshot s;
  s.filters = std::move(filters);
  return s;
}

TEST(Difference, CountersOfAFilterAndItsGauges) {
  Snapshot before = with({filter("web", 10)});
  before.filters[0].counts.latency.add(microseconds{100});
  Snapshot now = with({filter("web", 25)});
  now.filters[0].counts[Tally::pending] = 7;
  now.filters[0].counts[Tally::retrying] = 2;
  before.filters[0].counts[Tally::retrying_syns] = 9;
  now.filters[0].counts[Tally::retrying_syns] = 5;
  now.filters[0].counts.latency.add(microseconds{100});
  now.filters[0].counts.latency.add(microseconds{9000});
  const Snapshot d = difference(now, before);
  EXPECT_EQ(d.filters[0].counts[Tally::attempts], 15U);
  EXPECT_EQ(d.filters[0].counts[Tally::success], 15U);
  EXPECT_EQ(d.filters[0].counts[Tally::pending], 7U);
  EXPECT_EQ(d.filters[0].counts[Tally::retrying], 2U);
  EXPECT_EQ(d.filters[0].counts[Tally::retrying_syns], 5U);
  EXPECT_EQ(d.filters[0].counts.latency.count(), 1U);
  EXPECT_EQ(d.filters[0].counts.latency.sum_us(), 9000U);
  EXPECT_FALSE(d.filters[0].restarted);
}

TEST(Difference, WhatBeganAnewSaysSo) {
  const Snapshot before = with({filter("web", 10), filter("db", 10), filter("old", 10)});
  Snapshot now = with({filter("web", 4), filter("db", 20), filter("new", 5)});
  now.filters[1].expression = "db:RX@%:5432";
  const Snapshot d = difference(now, before);
  EXPECT_TRUE(d.filters[0].restarted) << "its counts fell";
  EXPECT_EQ(d.filters[0].counts[Tally::attempts], 4U);
  EXPECT_TRUE(d.filters[1].restarted) << "its expression is another";
  EXPECT_EQ(d.filters[1].counts[Tally::attempts], 20U);
  EXPECT_TRUE(d.filters[2].restarted) << "it is new";
  EXPECT_EQ(d.filters.size(), 3U);
}

TEST(Difference, FiltersGoByNameAndNotByPlace) {
  const Snapshot before = with({filter("a", 1), filter("b", 2), filter("c", 3)});
  const Snapshot now = with({filter("c", 13), filter("a", 11), filter("b", 12)});
  const Snapshot d = difference(now, before);
  for (const FilterStats& f : d.filters) {
    EXPECT_EQ(f.counts[Tally::attempts], 10U) << f.name;
    EXPECT_FALSE(f.restarted);
  }
}

TEST(Difference, OneRemovedAndOneInItsPlace) {
  const Snapshot before = with({filter("web", 100)});
  const Snapshot now = with({filter("web", 3), filter("web", 105, true)});
  const Snapshot d = difference(now, before);
  EXPECT_TRUE(d.filters[0].restarted);
  EXPECT_EQ(d.filters[0].counts[Tally::attempts], 3U);
  EXPECT_FALSE(d.filters[1].restarted) << "it ends what it began";
  EXPECT_EQ(d.filters[1].counts[Tally::attempts], 5U);
}

// Between two answers, so that no snapshot was without it; it counts more than the one before did.
TEST(Difference, OneRemovedAndAddedAgain) {
  Snapshot before = with({filter("web", 10)});
  before.filters[0].since = 1;
  Snapshot now = with({filter("web", 500), filter("web", 12, true)});
  now.filters[0].since = 3;
  now.filters[1].since = 2;
  const Snapshot d = difference(now, PackedSnapshot(before).unpacked());
  EXPECT_TRUE(d.filters[0].restarted);
  EXPECT_EQ(d.filters[0].counts[Tally::attempts], 500U);
  EXPECT_FALSE(d.filters[1].restarted);
  EXPECT_EQ(d.filters[1].counts[Tally::attempts], 2U);

  // The removed one is settled, and the other one removed as well.
  Snapshot later = with({filter("web", 501, true)});
  later.filters[0].since = 4;
  const Snapshot last = difference(later, PackedSnapshot(now).unpacked());
  EXPECT_FALSE(last.filters[0].restarted);
  EXPECT_EQ(last.filters[0].counts[Tally::attempts], 1U);
}

TEST(Difference, OfHttp) {
  Snapshot before;
  before.http.emplace().requests = 8;
  before.http->watchers = 2;
  Snapshot now;
  now.http.emplace().requests = 11;
  now.http->watchers = 1;
  EXPECT_EQ(difference(now, PackedSnapshot(before).unpacked()).http->requests, 3U);
  EXPECT_EQ(difference(now, PackedSnapshot(before).unpacked()).http->watchers, 1U) << "a gauge";
  EXPECT_EQ(difference(now, Snapshot()).http->requests, 11U) << "served since";
  EXPECT_FALSE(difference(Snapshot(), before).http.has_value());
}

TEST(Difference, OfTheProcess) {
  Snapshot before;
  before.interfaces = {{.name = "eth0", .link_type = "", .packets = 10, .dropped = 1}};
  before.readers.resize(1);
  before.readers[0].packets = 5;
  before.packets.seen = 100;
  before.packets.in_ring = 9;
  before.packets.ignored = {{"late_syn", 4}};
  before.server.requests = 8;
  before.totals[Tally::attempts] = 50;
  before.late_syns = 2;
  Snapshot now = before;
  now.uptime = seconds{9};
  now.interfaces[0].packets = 30;
  now.interfaces.push_back({.name = "eth1", .link_type = "", .packets = 7});
  now.readers[0].packets = 9;
  now.readers[0].pending = 6;
  now.packets.seen = 150;
  now.packets.in_ring = 3;
  now.packets.ignored = {{"stray", 2}, {"late_syn", 5}};
  now.server.requests = 9;
  now.server.watchers = 2;
  now.totals[Tally::attempts] = 80;
  now.late_syns = 3;
  const Snapshot d = difference(now, before);
  EXPECT_EQ(d.uptime, seconds{9});
  EXPECT_EQ(d.interfaces[0].packets, 20U);
  EXPECT_EQ(d.interfaces[0].dropped, 0U);
  EXPECT_EQ(d.interfaces[1].packets, 7U);
  EXPECT_EQ(d.readers[0].packets, 4U);
  EXPECT_EQ(d.readers[0].pending, 6U);
  EXPECT_EQ(d.packets.seen, 50U);
  EXPECT_EQ(d.packets.in_ring, 3U);
  EXPECT_EQ(d.packets.ignored[0].count, 2U);
  EXPECT_EQ(d.packets.ignored[1].count, 1U);
  EXPECT_EQ(d.server.requests, 1U);
  EXPECT_EQ(d.server.watchers, 2U);
  EXPECT_EQ(d.totals[Tally::attempts], 30U);
  EXPECT_EQ(d.late_syns, 1U);
}

TEST(DeltaReply, IsStatsWithASpan) {
  Snapshot now = with({filter("web", 25)});
  const DeltaSpan span{.name = "grafana",
                       .since = std::chrono::system_clock::time_point{seconds{1'341'247'713}},
                       .lasted = std::chrono::milliseconds{1500},
                       .first = false};
  const Snapshot before = with({filter("other", 1)});
  const auto reply = nlohmann::ordered_json::parse(delta_reply(span, difference(now, before), now));
  EXPECT_EQ(reply["schema"], kStatsSchema);
  EXPECT_EQ(reply["delta"].dump(),
            R"({"name":"grafana","since":"2012-07-02T16:48:33.000000Z","span_seconds":1.5,)"
            R"("first":false})");
  EXPECT_EQ(reply["filters"][0]["restarted"], true);
  const auto stats = nlohmann::ordered_json::parse(stats_reply(now));
  EXPECT_FALSE(stats.contains("delta"));
  EXPECT_FALSE(stats["filters"][0].contains("restarted"));
  EXPECT_EQ(reply["accounting"], stats["accounting"]) << "identities hold for all since the start";
}

// Random snapshots, with many zeros and some huge counts.
class RandomSnapshots {
 public:
  explicit RandomSnapshots(std::uint64_t seed) : random_(seed) {}

  Snapshot next() {
    Snapshot s;
    s.taken += seconds{below(1000)};
    s.uptime = seconds{below(1000)};
    for (std::uint64_t i = below(4); i > 0; --i) {
      s.interfaces.emplace_back().name = "e" + std::to_string(i);
      fill(s.interfaces.back());
    }
    for (unsigned i = 0; i < below(4); ++i) {
      s.readers.emplace_back().id = i;
      fill(s.readers.back());
    }
    for (std::uint64_t i = below(6); i > 0; --i) {
      s.filters.push_back(filter("f" + std::to_string(i), 0, below(5) == 0));
      fill_counts(s.filters.back().counts);
    }
    s.packets.ignored = {{"late_syn", value()}, {"stray", value()}};
    fill_counts(s.totals);
    fill(s);
    fill(s.packets);
    fill(s.server);
    return s;
  }

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  std::uint64_t value() { return below(3) == 0 ? random_() >> below(64) : 0; }
  template <class Stats>
  void fill(Stats& stats) {
    for_each_counter(stats, [this](std::uint64_t& counter) { counter = value(); });
  }
  void fill_counts(Counts& counts) {
    fill(counts);
    for (auto* histogram : {&counts.latency, &counts.responder_leg, &counts.initiator_leg}) {
      for (std::uint64_t i = below(5); i > 0; --i) {
        histogram->add(microseconds{static_cast<std::int64_t>(random_() >> (25 + below(30)))});
      }
    }
  }

  std::mt19937_64 random_;
};

// STATS shows every counter, so two snapshots that show the same have the same counters.
std::string counters_of(Snapshot s) {
  const auto clear = [](Counts& counts) {
    for (const Tally gauge :
         {Tally::pending, Tally::retrying, Tally::retrying_syns, Tally::retrying_synacks}) {
      counts[gauge] = 0;
    }
  };
  for (FilterStats& f : s.filters) clear(f.counts);
  clear(s.totals);
  return stats_reply(s);
}

TEST(PackedSnapshot, UnpacksToTheSameCounters) {
  tcpeek::test::for_each_seed(200, [](std::uint64_t seed) {
    RandomSnapshots random(seed);
    const Snapshot snapshot = random.next();
    const PackedSnapshot packed(snapshot);
    ASSERT_EQ(counters_of(packed.unpacked()), counters_of(snapshot));
    ASSERT_EQ(packed.taken(), snapshot.taken);
    ASSERT_EQ(packed.uptime(), snapshot.uptime);
    const Snapshot later = random.next();
    ASSERT_EQ(stats_reply(difference(later, packed.unpacked())),
              stats_reply(difference(later, snapshot)));
  });
}

TEST(PackedSnapshot, IsSmall) {
  Snapshot snapshot;
  for (int i = 0; i < 1000; ++i) snapshot.filters.push_back(filter("f" + std::to_string(i), 1));
  EXPECT_LT(PackedSnapshot(snapshot).bytes(), 1000U * 200);
  for (FilterStats& f : snapshot.filters) {
    for (int i = 0; i < 1000; ++i) f.counts.latency.add(microseconds{100 + i * 20});
  }
  const std::size_t bytes = PackedSnapshot(snapshot).bytes();
  EXPECT_LT(bytes, 1000U * 500);
  EXPECT_GT(bytes, 1000U * 100) << "all that it holds is counted";
}

// Step by step, differences add up to the whole.
TEST(Difference, DifferencesAddUp) {
  tcpeek::test::for_each_seed(50, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Snapshot now = with({filter("a", 0), filter("b", 0)});
    Snapshot mark = now;
    std::uint64_t sum = 0;
    for (int step = 0; step < 100; ++step) {
      for (FilterStats& f : now.filters) f.counts[Tally::attempts] += random() % 5;
      if (random() % 3 != 0) continue;
      sum += difference(now, mark).filters[1].counts[Tally::attempts];
      mark = now;
    }
    sum += difference(now, mark).filters[1].counts[Tally::attempts];
    ASSERT_EQ(sum, now.filters[1].counts[Tally::attempts]);
  });
}

}  // namespace
}  // namespace tcpeek::ipc
