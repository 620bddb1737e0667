// From segments to outcomes: looks up a segment's attempt, moves it by the state machine, ends what has
// waited too long, and notifies an observer when an attempt begins and when it ends.
//
// How time works: an attempt that had no handshake segment for `timeout` has ended at that very moment,
// whenever the tracker notices: at the next segment of the same 4-tuple, or in the sweep. So counts
// depend on the packets alone. An attempt that never stops repeating itself ends after kMaxAge.
//
// One with an outcome is remembered for `remember`, room permitting, to know late copies of its segments.
// Observer: noexcept members
//   void opened(Attempt&)                    may set the tag
//   void ended(const Attempt&, const Outcome&)
//   void late_synack(const Attempt&)         a SYN/ACK repeated after success
//
// Thread contract: owned by one reader. Nothing here allocates, locks or throws after construction.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>

#include "flowtable/attempt.h"
#include "flowtable/ignored.h"
#include "flowtable/outcome.h"
#include "flowtable/segment_step.h"
#include "flowtable/table.h"
#include "flowtable/tracker_types.h"

namespace tcpeek::flowtable {

template <class Observer>
class Tracker {
 public:
  // Keeps 32-bit microseconds from wrapping (71 minutes).
  static constexpr std::chrono::seconds kMaxAge{3600};
  static constexpr std::size_t kBatch = 32;

  Tracker(const TrackerConfig& config, Observer& observer)
      : timeout_(std::min(config.timeout, kMaxAge)),
        remember_(config.remember),
        copy_window_us_(static_cast<std::uint32_t>(config.copy_window.count())),
        observer_(observer),
        table_(config.capacity, config.secret, config.give_up) {}

  void on_segment(const Segment& segment) noexcept {
    on_segment(segment, table_.home(segment.key));
  }

  // The same for up to kBatch segments, with the memory they need fetched side by side: one
  // dependent cache miss per packet would already be more time than line rate leaves. Hashing has a
  // round of its own: right after decoding, its loads would wait for stores they do not match.
  void on_segments(std::span<const Segment> segments) noexcept {
    std::array<Home, kBatch> homes;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      homes[i] = table_.home(segments[i].key);
      table_.prefetch(homes[i]);
    }
    for (std::size_t i = 0; i < segments.size(); ++i) {
      table_.prefetch_slot(homes[i], segments[i].opens());
    }
    for (std::size_t i = 0; i < segments.size(); ++i) on_segment(segments[i], homes[i]);
  }

  // Ends and forgets what has fallen due by `now` in the next `groups` groups, round-robin.
  void sweep(PacketTime now, std::size_t groups) noexcept {
    // Rounded up, so that nothing that is due is missed; what is not quite due is left.
    const Tick tick = Tick::not_before(now);
    groups = std::min(groups, table_.group_count());
    while (groups > 0) {
      const std::size_t part = std::min(groups, table_.group_count() - sweep_at_);
      table_.sweep(sweep_at_, part, tick, [&](Slot slot) { on_due(slot, now); });
      sweep_at_ = (sweep_at_ + part) % table_.group_count();
      groups -= part;
    }
  }

  void sweep_all(PacketTime now) noexcept { sweep(now, table_.group_count()); }

  // Packets were lost up to `until`: timeouts of attempts begun before are uncertain.
  void note_loss(PacketTime until) noexcept { last_loss_ = std::max(last_loss_, until); }

  [[nodiscard]] const TrackerCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] const AttemptTable& table() const noexcept { return table_; }

 private:
  using Home = AttemptTable::Home;

  void on_segment(const Segment& segment, const Home& home) noexcept {
    const Slot slot = table_.find(segment.key, home);
    if (!slot) return on_unknown(segment, home);
    Attempt& attempt = table_[slot];
    if (attempt.pending()) {
      if (const PacketTime due = due_at(attempt); due <= segment.time) [[unlikely]]
        time_out(slot, due);
    }
    if (!attempt.pending() && table_.deadline(slot).reached_at(Tick::at(segment.time))) {
      // A remembered attempt whose time is up counts as gone, though the sweep has not erased it yet.
      table_.erase(slot);
      return on_unknown(segment, home);
    }
    const Phase before = attempt.handshake.phase;
    const Event event = step(attempt.handshake, as_step(attempt, segment), copy_window_us_);
    if (event == Event::superseded) {
      conclude(slot, timeout_in(before, attempt, segment.time));
      return open_at(slot, segment, home);
    }
    if (event == Event::reopened) {
      table_.erase(slot);
      return open(segment, home);
    }
    on_event(slot, attempt, event, segment.time);
  }

  void on_unknown(const Segment& segment, const Home& home) noexcept {
    if (segment.opens()) return open(segment, home);
    counts_.ignored.add(segment.kind == SegmentKind::unreachable ? Ignored::foreign_icmp
                                                                 : Ignored::no_attempt);
  }

  // What the state machine made of a segment. Superseding and reopening are on_segment()'s.
  void on_event(Slot slot, const Attempt& attempt, Event event, PacketTime at) noexcept {
    switch (event) {
      case Event::progressed:
      case Event::dup_syn:
      case Event::dup_synack:
        return moved(slot, attempt);
      case Event::syn_copy:
        ++counts_.syn_copies;
        return moved(slot, attempt);
      case Event::synack_copy:
        ++counts_.synack_copies;
        return moved(slot, attempt);
      case Event::success:
        return decided(slot, {.cause = Cause::none, .at = at});
      case Event::success_half_seen:
        return decided(slot, {.cause = Cause::none, .at = at, .half_seen = true});
      case Event::success_late:
        return decided(slot, {.cause = Cause::none, .at = at, .late_proof = true});
      case Event::refused:
        return decided(slot, {.cause = Cause::refused, .at = at});
      case Event::aborted:
        return decided(slot, {.cause = Cause::aborted, .at = at});
      case Event::unreachable:
        return decided(slot, {.cause = Cause::unreachable, .at = at});
      case Event::superseded:
      case Event::reopened:
        return;
      case Event::late_syn:
        ++counts_.late_syns;
        return moved(slot, attempt);
      case Event::late_synack:
        observer_.late_synack(attempt);
        return moved(slot, attempt);
      case Event::does_not_fit:
        return counts_.ignored.add(Ignored::does_not_fit);
      case Event::proves_nothing:
        return counts_.ignored.add(Ignored::proves_nothing);
      case Event::blind_rst:
        return counts_.ignored.add(Ignored::blind_rst);
      case Event::foreign_icmp:
        return counts_.ignored.add(Ignored::foreign_icmp);
      case Event::other_interface:
        return counts_.ignored.add(Ignored::other_interface);
      case Event::after_outcome:
        return counts_.ignored.add(Ignored::after_outcome);
    }
  }

  void moved(Slot slot, const Attempt& attempt) noexcept {
    ++counts_.used;
    if (!attempt.pending()) return;
    table_.set_deadline(slot, Tick::not_before(due_at(attempt)),
                        attempt.handshake.phase != Phase::syn_sent);
  }

  void decided(Slot slot, const Outcome& outcome) noexcept {
    ++counts_.used;
    conclude(slot, outcome);
  }

  void open(const Segment& segment, const Home& home) noexcept {
    const AttemptTable::Place place = table_.place(home, table_.full());
    if (place.evicts) evict(place.slot, segment.time);
    open_at(place.slot, segment, home);
  }

  // What had fallen due before has timed out; the sweep was merely late.
  void evict(Slot slot, PacketTime now) noexcept {
    const PacketTime due = due_at(table_[slot]);
    if (due <= now) return time_out(slot, due);
    observer_.ended(table_[slot], {.cause = Cause::evicted, .at = now});
  }

  void open_at(Slot slot, const Segment& segment, const Home& home) noexcept {
    ++counts_.used;
    Attempt& attempt = table_.put(slot, segment.key, home);
    attempt.first_syn = segment.time;
    begin(attempt.handshake, as_step(segment, true, 0));
    attempt.set_initiator(segment.sender);
    table_.set_deadline(slot, Tick::not_before(segment.time + timeout_));
    observer_.opened(attempt);
  }

  void on_due(Slot slot, PacketTime now) noexcept {
    Attempt& attempt = table_[slot];
    if (!attempt.pending()) {
      if (table_.deadline(slot).reached_at(Tick::at(now))) table_.erase(slot);
      return;
    }
    if (due_at(attempt) <= now) time_out(slot, due_at(attempt));
  }

  void time_out(Slot slot, PacketTime at) noexcept {
    Attempt& attempt = table_[slot];
    const Outcome timeout = timeout_in(attempt.handshake.phase, attempt, at);
    expire(attempt.handshake);
    conclude(slot, timeout);
  }

  // The handshake is already in a phase with an outcome.
  void conclude(Slot slot, const Outcome& outcome) noexcept {
    observer_.ended(table_[slot], outcome);
    table_.set_remembered(slot);
    table_.set_deadline(slot, Tick::not_before(outcome.at + remember_));
  }

  [[nodiscard]] Outcome timeout_in(Phase phase, const Attempt& attempt,
                                   PacketTime at) const noexcept {
    const bool synack_seen = phase == Phase::answered || phase == Phase::crossed_initiator_acked;
    return {.cause = synack_seen ? Cause::no_ack : Cause::no_answer,
            .at = at,
            .uncertain = last_loss_ >= attempt.first_syn};
  }

  [[nodiscard]] PacketTime due_at(const Attempt& attempt) const noexcept {
    return std::min(attempt.last_segment() + timeout_, attempt.first_syn + kMaxAge);
  }

  PacketClock::duration timeout_;
  PacketClock::duration remember_;
  std::uint32_t copy_window_us_;
  Observer& observer_;
  AttemptTable table_;
  TrackerCounts counts_;
  std::size_t sweep_at_ = 0;
  PacketTime last_loss_ = PacketTime::min();
};

}  // namespace tcpeek::flowtable
