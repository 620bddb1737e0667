// The tracker's own rules: when attempts end and are forgotten, whether the sweep or a segment finds them
// first; the calls to the observer; and what a full table does.

#include "flowtable/tracker.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "tests/support/secret.h"
#include "tests/support/segments.h"
#include "tests/support/told.h"

namespace tcpeek::flowtable::test {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kSecond = 1'000'000;
const Ends kEnds{v4(1, 40'000), v4(2, 80)};

PacketTime at_us(std::int64_t us) {
  return time_of(std::chrono::microseconds(us));
}

TrackerConfig config_of(std::uint64_t capacity) {
  TrackerConfig config;
  config.capacity = capacity;
  config.secret = secret_of(1);
  return config;
}

struct Watch {
  Recorder recorder;
  Tracker<Recorder> tracker;

  explicit Watch(const TrackerConfig& config = config_of(100)) : tracker(config, recorder) {}

  void see(const Packet& p) { tracker.on_segment(p.segment()); }
  std::vector<Told> take(const Ends& ends = kEnds) {
    return recorder.take(pair_of(ends.client, ends.server));
  }
  // The only ending among what was told since the last call.
  Told ending(const Ends& ends = kEnds) {
    std::vector<Told> all = take(ends);
    std::erase_if(all, [](const Told& t) { return t.what != Told::What::ended; });
    EXPECT_EQ(all.size(), 1U) << text(all);
    return all.empty() ? Told{} : all.front();
  }
  [[nodiscard]] std::uint64_t ignored(Ignored reason) const {
    return tracker.counts().ignored[reason];
  }
};

TEST(Tracker, TellsOfOneHandshake) {
  Watch w;
  w.see(kEnds.syn(10).at(1000));
  w.see(kEnds.syn(10).at(1000 + kSecond));
  w.see(kEnds.synack(20, 11).at(2'000'000));
  w.see(kEnds.ack(11, 21).at(2'000'500));
  const auto told = w.take();
  ASSERT_EQ(told.size(), 3U) << text(told);
  EXPECT_EQ(told[0].what, Told::What::opened);
  EXPECT_EQ(told[0].initiator, kEnds.client);
  EXPECT_EQ(told[0].responder, kEnds.server);
  EXPECT_EQ(told[0].first_syn_us, 1000);
  EXPECT_EQ(told[1].what, Told::What::retrying);
  EXPECT_EQ(told[2].what, Told::What::ended);
  EXPECT_EQ(told[2].cause, Cause::none);
  EXPECT_EQ(told[2].at_us, 2'000'500);
  EXPECT_EQ(told[2].dup_syns, 1);
  EXPECT_EQ(told[2].dup_synacks, 0);
  EXPECT_EQ(w.tracker.counts().used, 4U);
  EXPECT_EQ(w.tracker.table().pending(), 0U);
  EXPECT_EQ(w.tracker.table().remembered(), 1U);
}

TEST(Tracker, TheSweepAndTheNextSegmentTellTheSameTimeout) {
  for (const bool answered : {false, true}) {
    Watch swept;
    Watch met;
    for (Watch* w : {&swept, &met}) {
      w->see(kEnds.syn(10).at(123));
      if (answered) w->see(kEnds.synack(20, 11).at(456));
    }
    swept.tracker.sweep_all(at_us(61 * kSecond));
    met.see(kEnds.ack(999, 999).at(100 * kSecond));
    const Told told = swept.ending();
    EXPECT_EQ(told, met.ending());
    EXPECT_EQ(told.at_us, 60 * kSecond + (answered ? 456 : 123));
    EXPECT_EQ(told.cause, answered ? Cause::no_ack : Cause::no_answer);
    EXPECT_FALSE(told.uncertain);
  }
}

TEST(Tracker, FallsDueToTheMicrosecond) {
  Watch w;
  w.see(kEnds.syn(10).at(0));
  w.see(kEnds.syn(10).at(60 * kSecond - 1));
  EXPECT_EQ(w.take().back().what, Told::What::retrying)
      << "a microsecond early: a duplicate, and the timeout starts again";
  w.see(kEnds.syn(10).at(120 * kSecond - 1));
  EXPECT_EQ(w.ending().at_us, 120 * kSecond - 1);
  EXPECT_EQ(w.tracker.counts().late_syns, 1U) << "the SYN came after its attempt";
}

TEST(Tracker, OnlyHandshakeSegmentsGiveMoreTime) {
  Watch w;
  w.see(kEnds.syn(10).at(0));
  w.see(kEnds.synack(20, 11).at(10 * kSecond));
  w.see(kEnds.synack(20, 99).at(20 * kSecond));
  w.see(kEnds.syn(10).on(7).at(30 * kSecond));
  w.see(kEnds.up(tcp_flag::rst, 500).at(40 * kSecond));
  w.see(kEnds.down(tcp_flag::ack, 21, 11).at(50 * kSecond));
  w.see(kEnds.unreachable(77).at(55 * kSecond));
  w.tracker.sweep_all(at_us(1000 * kSecond));
  EXPECT_EQ(w.ending().at_us, 70 * kSecond);
  EXPECT_EQ(w.ignored(Ignored::does_not_fit), 1U);
  EXPECT_EQ(w.ignored(Ignored::other_interface), 1U);
  EXPECT_EQ(w.ignored(Ignored::blind_rst), 1U);
  EXPECT_EQ(w.ignored(Ignored::proves_nothing), 1U);
  EXPECT_EQ(w.ignored(Ignored::foreign_icmp), 1U);
  EXPECT_EQ(w.tracker.counts().used, 2U);
}

TEST(Tracker, NobodyLivesLongerThanAnHour) {
  for (const auto timeout : {60s, 3600s, 100'000s}) {
    TrackerConfig config = config_of(100);
    config.timeout = timeout;
    Watch w(config);
    for (std::int64_t s = 0; s < 3600; s += 59) w.see(kEnds.syn(10).at(5 + s * kSecond));
    EXPECT_EQ(w.take().back().what, Told::What::retrying);
    w.tracker.sweep_all(at_us(3600 * kSecond - 2000));
    EXPECT_EQ(w.take().size(), 0U);
    w.see(kEnds.syn(10).at(5 + 3600 * kSecond));
    EXPECT_EQ(w.ending().at_us, 5 + 3600 * kSecond);
  }
}

TEST(Tracker, RemembersForAWhile) {
  Watch w;
  w.see(kEnds.syn(10).at(0));
  w.see(kEnds.down(tcp_flag::rst | tcp_flag::ack, 0, 11).at(1000));
  w.see(kEnds.syn(10).at(kSecond));
  w.see(kEnds.syn(10).at(60 * kSecond));
  EXPECT_EQ(w.tracker.counts().late_syns, 2U);
  EXPECT_EQ(w.recorder.opened_count, 1U);
  w.see(kEnds.syn(10).at(60 * kSecond + 1000 + 1100));  // a tick and more
  EXPECT_EQ(w.recorder.opened_count, 2U);
  EXPECT_EQ(w.tracker.table().remembered(), 0U);
}

TEST(Tracker, RemembersNothingIfToldSo) {
  TrackerConfig config = config_of(100);
  config.remember = 0s;
  Watch w(config);
  w.see(kEnds.syn(10).at(0));
  w.see(kEnds.ack(11, 21).at(1000));
  w.see(kEnds.syn(10).at(1000 + 1100));
  EXPECT_EQ(w.recorder.opened_count, 2U);
}

// The timeout fell due at 60 s, so the memory of it ended at 120 s, whenever that was noticed.
TEST(Tracker, ForgetsATimeoutThatNobodyNoticedInTime) {
  Watch swept;
  Watch met;
  for (Watch* w : {&swept, &met}) w->see(kEnds.syn(10).at(0));
  swept.tracker.sweep_all(at_us(61 * kSecond));
  swept.tracker.sweep_all(at_us(121 * kSecond));
  for (Watch* w : {&swept, &met}) {
    w->see(kEnds.synack(20, 11).at(130 * kSecond));
    w->see(kEnds.syn(10).at(131 * kSecond));
    EXPECT_EQ(w->ignored(Ignored::no_attempt), 1U);
    EXPECT_EQ(w->recorder.opened_count, 2U);
    EXPECT_EQ(w->recorder.ended_count, 1U);
    EXPECT_EQ(w->tracker.counts().late_syns, 0U);
  }
}

TEST(Tracker, TellsOfASynAckAfterSuccess) {
  Watch w;
  w.see(kEnds.syn(10).at(0));
  w.see(kEnds.synack(20, 11).at(1000));
  w.see(kEnds.ack(11, 21).at(1100));
  w.see(kEnds.synack(20, 11).at(1200));
  w.take();
  EXPECT_EQ(w.tracker.counts().synack_copies, 1U);
  w.see(kEnds.synack(20, 11).at(kSecond));
  w.see(kEnds.synack(20, 11).at(3 * kSecond));
  const auto told = w.take();
  ASSERT_EQ(told.size(), 2U) << text(told);
  EXPECT_EQ(told[0].what, Told::What::late_synack);
  EXPECT_EQ(told[1].what, Told::What::late_synack);
  EXPECT_EQ(w.tracker.counts().used, 6U);
}

TEST(Tracker, ASynWithAnotherIsnBeginsAnew) {
  Watch w;
  w.see(kEnds.syn(10).at(0));
  w.see(kEnds.syn(99).at(5 * kSecond));
  w.tracker.sweep_all(at_us(6 * kSecond));
  auto told = w.take();
  ASSERT_EQ(told.size(), 3U) << text(told);
  EXPECT_EQ(told[1].what, Told::What::ended);
  EXPECT_EQ(told[1].cause, Cause::superseded);
  EXPECT_EQ(told[1].at_us, 5 * kSecond);
  EXPECT_EQ(told[2].what, Told::What::opened);
  EXPECT_EQ(told[2].isn, 99);
  w.see(kEnds.synack(20, 100).at(6 * kSecond));
  w.see(kEnds.ack(100, 21).at(6 * kSecond));
  w.take();
  // After the outcome, and the other way round.
  const Ends back{kEnds.server, kEnds.client};
  w.see(back.syn(20'000).at(7 * kSecond));
  told = w.take();
  ASSERT_EQ(told.size(), 1U) << text(told);
  EXPECT_EQ(told[0].initiator, kEnds.server);
  // Once answered, its peer's SYN ends it and turns it round again.
  w.see(back.synack(5, 20'001).at(8 * kSecond));
  w.see(kEnds.syn(300).at(9 * kSecond));
  w.tracker.sweep_all(at_us(10 * kSecond));
  told = w.take();
  ASSERT_EQ(told.size(), 2U) << text(told);
  EXPECT_EQ(told[0].cause, Cause::superseded);
  EXPECT_EQ(told[1].initiator, kEnds.client);
  EXPECT_EQ(w.tracker.table().pending(), 1U);
  EXPECT_TRUE(w.tracker.table().consistent());
}

TEST(Tracker, ATimeoutNotYetNoticedDoesNotSupersede) {
  Watch w;
  w.see(kEnds.syn(10).at(0));
  w.see(kEnds.syn(99).at(90 * kSecond));
  EXPECT_EQ(w.ending().at_us, 60 * kSecond);
  EXPECT_EQ(w.recorder.opened_count, 2U);
}

TEST(Tracker, LossMakesTimeoutsUncertain) {
  struct Case {
    std::int64_t loss_until_us;
    bool uncertain;
  };
  for (const auto& [until, uncertain] :
       {Case{99, false}, Case{100, true}, Case{30 * kSecond, true}}) {
    for (const bool superseded : {false, true}) {
      Watch w;
      w.tracker.note_loss(at_us(until));
      w.tracker.note_loss(at_us(5));  // an older loss takes nothing back
      w.see(kEnds.syn(10).at(100));
      if (superseded) w.see(kEnds.syn(11).at(40 * kSecond));
      w.tracker.sweep_all(at_us(61 * kSecond));
      EXPECT_EQ(w.ending().uncertain, uncertain) << until;
    }
  }
  Watch w;
  w.tracker.note_loss(at_us(30 * kSecond));
  w.see(kEnds.syn(10).at(100));
  w.see(kEnds.ack(11, 21).at(200));
  EXPECT_FALSE(w.ending().uncertain) << "what was seen is certain";
}

TEST(Tracker, SaysWhyItIgnoredWhatBelongsToNoAttempt) {
  Watch w;
  w.see(kEnds.ack(1, 1));
  w.see(kEnds.synack(1, 1));
  w.see(kEnds.up(tcp_flag::syn | tcp_flag::fin, 1));
  w.see(kEnds.down(tcp_flag::rst, 1));
  w.see(kEnds.unreachable(1));
  EXPECT_EQ(w.ignored(Ignored::no_attempt), 4U);
  EXPECT_EQ(w.ignored(Ignored::foreign_icmp), 1U);
  EXPECT_EQ(w.tracker.counts().used, 0U);
  EXPECT_EQ(w.recorder.opened_count, 0U);
}

TEST(Tracker, KnowsAConnectionToItself) {
  const Ends self{v6(1, 80), v6(1, 80)};
  Watch w;
  w.see(self.syn(10).at(0));
  w.see(self.up(tcp_flag::syn | tcp_flag::ack, 10, 11).at(10));
  w.see(self.ack(11, 11).at(20));
  const Told told = w.ending(self);
  EXPECT_EQ(told.cause, Cause::none);
}

TEST(Tracker, TimeBeforeTheFirstSynIsTheFirstSyn) {
  Watch w;
  w.see(kEnds.syn(10).at(1000));
  w.see(kEnds.synack(20, 11).at(960));
  w.see(kEnds.syn(10).at(990));
  EXPECT_EQ(w.tracker.counts().syn_copies, 1U);
  w.see(kEnds.ack(11, 21).at(980));
  EXPECT_EQ(w.ending().cause, Cause::none);
}

TEST(Tracker, SweepsInParts) {
  Watch w(config_of(1000));
  for (std::uint16_t port = 1; port <= 500; ++port) {
    w.see(Ends{v4(1, port), v4(2, 80)}.syn(10).at(port));
  }
  const std::size_t groups = w.tracker.table().group_count();
  const PacketTime now = at_us(61 * kSecond);
  for (std::size_t g = 0; g < groups; g += 7) w.tracker.sweep(now, 7);
  EXPECT_EQ(w.recorder.ended_count, 500U);
  EXPECT_EQ(w.tracker.table().remembered(), 500U);
  w.tracker.sweep(at_us(121 * kSecond), 10 * groups);
  EXPECT_EQ(w.tracker.table().remembered(), 0U);
  w.tracker.sweep(now, 0);
  EXPECT_TRUE(w.tracker.table().consistent());
}

TEST(Tracker, AFullTableEvictsAndSaysSo) {
  Watch w(config_of(1));
  const Ends second{v4(1, 40'001), v4(2, 80)};
  w.see(kEnds.syn(10).at(0));
  w.see(second.syn(20).at(5));
  const Told told = w.ending();
  EXPECT_EQ(told.cause, Cause::evicted);
  EXPECT_EQ(told.at_us, 5);
  EXPECT_EQ(w.take(second).size(), 1U);
  EXPECT_EQ(w.tracker.table().pending(), 1U);
  w.see(kEnds.synack(20, 11).at(6));
  EXPECT_EQ(w.ignored(Ignored::no_attempt), 1U) << "an evicted attempt is not remembered";
  // An attempt that is only remembered gives way without a word.
  w.see(second.ack(21, 1).at(7));
  w.take(second);
  w.see(kEnds.syn(10).at(8));
  EXPECT_EQ(w.take().size(), 1U);
  EXPECT_EQ(w.recorder.ended_count, 2U);
}

TEST(Tracker, HoldsNoMorePendingThanItsCapacity) {
  Watch w(config_of(2));
  const std::array<Ends, 4> ends{Ends{v4(1, 1), v4(2, 80)}, Ends{v4(1, 2), v4(2, 80)},
                                 Ends{v4(1, 3), v4(2, 80)}, Ends{v4(1, 4), v4(2, 80)}};
  for (const Ends& e : {ends[0], ends[1]}) {
    w.see(e.syn(10).at(0));
    w.see(e.ack(11, 1).at(1));
  }
  for (const Ends& e : {ends[2], ends[3]}) w.see(e.syn(10).at(2));
  // Two are pending, two remembered: new SYNs on the remembered tuples.
  for (const Ends& e : {ends[0], ends[1]}) w.see(e.syn(99).at(3));
  EXPECT_LE(w.tracker.table().pending(), 2U);
  EXPECT_EQ(w.recorder.opened_count, w.recorder.ended_count + w.tracker.table().pending());
}

TEST(Tracker, WhatHasTimedOutIsNotEvicted) {
  Watch w(config_of(1));
  w.see(kEnds.syn(10).at(0));
  w.see(Ends{v4(1, 40'001), v4(2, 80)}.syn(20).at(70 * kSecond));
  const Told told = w.ending();
  EXPECT_EQ(told.cause, Cause::no_answer);
  EXPECT_EQ(told.at_us, 60 * kSecond);
}

struct Tagging {
  std::uint32_t tag = 0;
  std::uint16_t note = 0;
  Endpoint initiator;
  void opened(Attempt& a, std::uint16_t& its_note) noexcept {
    EXPECT_EQ(its_note, 0U) << "left from another attempt";
    a.tag = 4711;
    its_note = 815;
  }
  void ended(const Attempt& a, const Outcome&, std::uint16_t its_note) noexcept {
    tag = a.tag;
    note = its_note;
    initiator = a.initiator_end();
  }
  void late_synack(const Attempt&) noexcept {}
  void retrying(const Attempt&, std::uint16_t) noexcept {}
  void answered_again(const Attempt&, std::uint16_t) noexcept {}
  void sent_again(const Attempt&, Event, std::uint16_t) noexcept {}
};

TEST(Tracker, CarriesTheObserversTagAndNote) {
  for (const Ends& ends : {kEnds, Ends{kEnds.server, kEnds.client}}) {
    Tagging observer;
    Tracker<Tagging> tracker(config_of(10), observer);
    tracker.on_segment(ends.syn(10).segment());
    tracker.on_segment(ends.synack(20, 11).segment());
    tracker.on_segment(ends.ack(11, 21).segment());
    tracker.on_segment(ends.syn(99).at(5).segment());  // in the same slot
    EXPECT_EQ(observer.tag, 4711U);
    EXPECT_EQ(observer.note, 815U);
    EXPECT_EQ(observer.initiator, ends.client);
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::test
