// The tracker against the reference model, and against itself, on random segment sequences.
//
// A failure prints TCPEEK_SEED=...: with that in the environment the same sequence runs alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "flowtable/tracker.h"
#include "tests/flowtable/handshake_model.h"
#include "tests/flowtable/tracker_checks.h"
#include "tests/support/seeds.h"
#include "tests/support/segments.h"
#include "tests/support/told.h"
#include "tests/support/traffic.h"

namespace tcpeek::flowtable::test {
namespace {

using tcpeek::test::for_each_seed;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr std::uint64_t kSequences = 1'500;
#else
constexpr std::uint64_t kSequences = 15'000;
#endif
constexpr int kSteps = 200;  // of one sequence
constexpr std::int64_t kDayUs = 86'400'000'000;

void agrees_with_model(std::uint64_t seed) {
  Traffic traffic(seed);
  HandshakeModel model(traffic.config);
  Recorder recorder{.own = traffic.config.own, .told = {}};
  Tracker<Recorder> tracker(traffic.tracker_config(1000), recorder);
  std::vector<Packet> packets;
  for (int i = 0; i < kSteps; ++i) {
    const Packet p = packets.emplace_back(traffic.next());
    model.on_packet(p);
    tracker.on_segment(p.segment());
    const Pair pair = pair_of(p);
    const auto expected = model.take(pair);
    const auto told = recorder.take(pair);
    if (expected != told || !same_counts(model, tracker.counts())) {
      expect_same_counts(model, tracker.counts());
      FAIL() << "step " << i << history(packets, pair) << "\n  the model tells" << text(expected)
             << "\n  the tracker tells" << text(told);
    }
    if (traffic.below(100) < traffic.sweep_percent) {
      tracker.sweep(packet_time(traffic.settled_us()),
                    1 + static_cast<std::size_t>(traffic.below(120)));
    }
    if (traffic.one_in(200)) {
      // What has fallen due before a loss is certain only if it was noticed before.
      model.bring_up_to_date(traffic.settled_us());
      tracker.sweep_all(packet_time(traffic.settled_us()));
      model.note_loss(traffic.now_us());
      tracker.note_loss(packet_time(traffic.now_us()));
    }
  }
  const PacketTime end = packet_time(traffic.now_us() + kDayUs);
  ASSERT_TRUE(tracker.table().consistent());
  if (traffic.one_in(2)) {
    model.finish(traffic.now_us());
    std::int64_t pending = 0;
    tracker.finish(packet_time(traffic.now_us()), tracker.table().group_count(),
                   [&](const Attempt&) { ++pending; });
    ASSERT_EQ(pending, model.pending());
    ASSERT_TRUE(tracker.table().consistent());
  }
  model.bring_up_to_date(traffic.now_us() + kDayUs);
  tracker.sweep_all(end);
  ASSERT_EQ(tracker.table().pending(), 0U);
  tracker.sweep_all(end);
  ASSERT_EQ(tracker.table().remembered(), 0U);
  ASSERT_TRUE(tracker.table().consistent());
  ASSERT_EQ(tracker.counts().used + total(tracker.counts().ignored), packets.size());
  for (const Packet& p : packets) {
    const Pair pair = pair_of(p);
    ASSERT_EQ(text(recorder.take(pair)), text(model.take(pair))) << "at the end";
  }
}

TEST(TrackerProperty, AgreesWithTheModel) {
  for_each_seed(kSequences, agrees_with_model);
}

std::vector<Packet> sequence(Traffic& traffic) {
  std::vector<Packet> packets(kSteps);
  std::generate(packets.begin(), packets.end(), [&] { return traffic.next(); });
  return packets;
}

void expect_same(const TrackerCounts& a, const TrackerCounts& b) {
  EXPECT_EQ(a.used, b.used);
  EXPECT_EQ(a.syn_copies, b.syn_copies);
  EXPECT_EQ(a.synack_copies, b.synack_copies);
  EXPECT_EQ(a.late_syns, b.late_syns);
  EXPECT_EQ(a.stray_syns, b.stray_syns);
  EXPECT_EQ(a.ignored.counts, b.ignored.counts);
}

void expect_same(const Recorder& a, const Recorder& b) {
  EXPECT_EQ(a.told.size(), b.told.size());
  for (const auto& [pair, told] : a.told) {
    const auto it = b.told.find(pair);
    EXPECT_EQ(text(told), it == b.told.end() ? "" : text(it->second));
  }
}

void batches_change_nothing(std::uint64_t seed) {
  Traffic traffic(seed);
  // Small enough that batches meet evictions, too.
  const TrackerConfig config =
      traffic.tracker_config(static_cast<std::uint64_t>(1 + traffic.below(40)));
  const std::vector<Packet> packets = sequence(traffic);
  Recorder one_by_one;
  Recorder batched;
  Tracker<Recorder> a(config, one_by_one);
  Tracker<Recorder> b(config, batched);
  std::vector<Segment> batch;
  for (std::size_t i = 0; i < packets.size(); i += batch.size()) {
    constexpr auto kMost = static_cast<std::int64_t>(Tracker<Recorder>::kBatch);
    const auto left = static_cast<std::int64_t>(packets.size() - i);
    batch.clear();
    for (std::int64_t n = std::min(left, 1 + traffic.below(kMost)); n > 0; --n) {
      batch.push_back(packets[i + batch.size()].segment());
    }
    for (const Segment& s : batch) a.on_segment(s);
    b.on_segments({});
    b.on_segments(batch);
    const std::size_t groups = static_cast<std::size_t>(traffic.below(4));
    a.sweep(batch.front().time, groups);
    b.sweep(batch.front().time, groups);
  }
  expect_same(a.counts(), b.counts());
  expect_same(one_by_one, batched);
  EXPECT_EQ(a.table().pending(), b.table().pending());
}

TEST(TrackerProperty, BatchesChangeNothing) {
  for_each_seed(kSequences / 10, batches_change_nothing);
}

void sweeping_changes_nothing(std::uint64_t seed) {
  Traffic traffic(seed, 6);
  const TrackerConfig config = traffic.tracker_config(1000);
  Recorder often;
  Recorder never;
  Tracker<Recorder> a(config, often);
  Tracker<Recorder> b(config, never);
  for (int i = 0; i < kSteps; ++i) {
    const Segment s = traffic.next().segment();
    a.on_segment(s);
    b.on_segment(s);
    a.sweep_all(packet_time(traffic.settled_us()));
  }
  const PacketTime end = packet_time(traffic.now_us() + kDayUs);
  a.sweep_all(end);
  b.sweep_all(end);
  expect_same(a.counts(), b.counts());
  expect_same(often, never);
  EXPECT_EQ(b.table().pending(), 0U);
}

TEST(TrackerProperty, SweepingChangesNoCount) {
  for_each_seed(kSequences / 10, sweeping_changes_nothing);
}

// Keeps account of the pending attempts, and looks at each eviction while it happens.
class Auditor {
 public:
  void look_at(const AttemptTable& table) { table_ = &table; }

  void opened(Attempt& a, std::uint16_t&) noexcept {
    ++opened_count;
    const bool fresh =
        pending_.emplace(pair_of(a.initiator_end(), a.responder_end()), a.key).second;
    EXPECT_TRUE(fresh) << "opened before the former one of this 4-tuple ended";
  }
  void ended(const Attempt& a, const Outcome& e, std::uint16_t) noexcept {
    ++ended_counts.at(static_cast<std::size_t>(e.cause));
    if (e.cause == Cause::evicted) check_eviction(a);
    EXPECT_EQ(pending_.erase(pair_of(a.initiator_end(), a.responder_end())), 1U) << "ended twice";
  }
  void late_synack(const Attempt&) noexcept {}
  void retrying(const Attempt&, std::uint16_t) noexcept {}
  void answered_again(const Attempt&, std::uint16_t) noexcept {}
  void sent_again(const Attempt&, Event, std::uint16_t) noexcept {}

  void check() const {
    EXPECT_EQ(opened_count,
              std::accumulate(ended_counts.begin(), ended_counts.end(), std::uint64_t{0}) +
                  table_->pending());
    EXPECT_EQ(pending_.size(), table_->pending());
    EXPECT_TRUE(table_->consistent());
    // In a table of two groups there is always one to evict.
    if (table_->group_count() == 2) {
      EXPECT_LE(table_->pending(), table_->capacity());
    }
    for (const auto& [pair, key] : pending_) {
      const Slot slot = table_->find(key, table_->home(key));
      EXPECT_TRUE(slot && (*table_)[slot].pending()) << "lost silently";
    }
  }

  std::uint64_t opened_count = 0;
  std::array<std::uint64_t, kCauses> ended_counts{};

 private:
  // In a table of two groups every attempt has the same two: the whole table is in question.
  void check_eviction(const Attempt& victim) const {
    if (table_->group_count() > 2) return;
    const Slot evicted = table_->find(victim.key, table_->home(victim.key));
    ASSERT_TRUE(evicted);
    EXPECT_EQ(table_->answered(evicted), is_answered(victim.handshake.phase));
    const auto answered = std::count_if(pending_.begin(), pending_.end(), [&](const auto& entry) {
      return table_->answered(table_->find(entry.second, table_->home(entry.second)));
    });
    const bool answered_are_more = 2 * static_cast<std::size_t>(answered) > pending_.size();
    for (const auto& [pair, key] : pending_) {
      const Slot slot = table_->find(key, table_->home(key));
      ASSERT_TRUE(slot);
      const Tick due = table_->deadline(slot);
      const Tick due_of_evicted = table_->deadline(evicted);
      const bool older = due.value != due_of_evicted.value && due.reached_at(due_of_evicted);
      const bool spared = table_->answered(slot) == table_->answered(evicted)
                              ? older
                              : table_->answered(evicted) != answered_are_more;
      EXPECT_FALSE(spared)
          << "one that had no news for longer, or of the kind that is more, was spared";
    }
    EXPECT_GE(table_->pending(), table_->capacity()) << "evicted where there was room";
  }

  const AttemptTable* table_ = nullptr;
  std::map<Pair, FlowKey> pending_;
};

void full_table_keeps_account(std::uint64_t seed) {
  Traffic traffic(seed, 6);
  Auditor auditor;
  const auto capacity = static_cast<std::uint64_t>(1 + traffic.below(30));
  Tracker<Auditor> tracker(traffic.tracker_config(capacity), auditor);
  auditor.look_at(tracker.table());
  for (int i = 0; i < kSteps; ++i) {
    tracker.on_segment(traffic.next().segment());
    if (traffic.below(100) < traffic.sweep_percent) {
      tracker.sweep(packet_time(traffic.settled_us()), 1);
    }
    if (i % 20 == 0) auditor.check();
  }
  auditor.check();
  ASSERT_EQ(tracker.counts().used + total(tracker.counts().ignored), std::uint64_t{kSteps});
}

TEST(TrackerProperty, AFullTableKeepsAccount) {
  for_each_seed(kSequences / 5, full_table_keeps_account);
}

// Of random traffic that never gets anywhere the tests above would prove nothing.
TEST(TrackerProperty, TheTrafficReachesEveryOutcomeAndReason) {
  Recorder recorder;
  TrackerCounts all;
  for (std::uint64_t seed = 0; seed < 1'000; ++seed) {
    Traffic traffic(seed);
    recorder.own = traffic.config.own;
    Tracker<Recorder> tracker(traffic.tracker_config(1000), recorder);
    for (int i = 0; i < kSteps; ++i) tracker.on_segment(traffic.next().segment());
    all.syn_copies += tracker.counts().syn_copies;
    all.synack_copies += tracker.counts().synack_copies;
    all.late_syns += tracker.counts().late_syns;
    all.stray_syns += tracker.counts().stray_syns;
    for (std::size_t i = 0; i < kIgnoredReasons; ++i) {
      all.ignored.counts[i] += tracker.counts().ignored.counts[i];
    }
  }
  std::array<std::uint64_t, kCauses> results{};
  std::array<std::uint64_t, 5> marks{};
  for (const auto& [pair, told] : recorder.told) {
    for (const Told& t : told) {
      if (t.what == Told::What::ended) ++results.at(static_cast<std::size_t>(t.cause));
      marks[0] += t.half_seen ? 1 : 0;
      marks[1] += t.late_proof ? 1 : 0;
      marks[2] += t.dup_syns > 1 ? 1 : 0;
      marks[3] += t.dup_synacks > 1 ? 1 : 0;
      marks[4] += t.what == Told::What::late_synack ? 1 : 0;
    }
  }
  // Neither happens here: there is room, and no file that ends.
  results[static_cast<std::size_t>(Cause::evicted)] += 100;
  results[static_cast<std::size_t>(Cause::pending)] += 100;
  EXPECT_THAT(results, testing::Each(testing::Ge(100)));
  EXPECT_THAT(marks, testing::Each(testing::Ge(100)));
  EXPECT_THAT(std::span(all.ignored.counts).subspan(static_cast<std::size_t>(Ignored::no_attempt)),
              testing::Each(testing::Ge(100)));
  EXPECT_GE(std::min({all.syn_copies, all.synack_copies, all.late_syns, all.stray_syns}), 100U);
}

}  // namespace
}  // namespace tcpeek::flowtable::test
