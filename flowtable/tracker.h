// The tracker ties decoding to outcomes: it looks a segment's attempt up, moves it by the state
// machine, ends what has waited too long, and tells an observer what began and what became of it.
//
// How time works: an attempt that had no handshake segment for `timeout` has ended at that very
// moment, whenever the tracker comes to see it: when the next segment of the same 4-tuple arrives,
// or when the sweep passes. So counts depend on the packets alone, not on when the sweep runs or
// which reader owns the flow. An attempt that never stops repeating itself ends after kMaxAge.
//
// An attempt with an outcome is remembered for `remember`, room permitting, so that late copies of
// its segments are known for what they are.
//
// Observer: noexcept members
//   void opened(Attempt&)                    may set tag and marks
//   void ended(const Attempt&, const Ending&)
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
#include "flowtable/ending.h"
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
        table_(config.capacity, config.secret) {}

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

  // Ends and forgets what has fallen due by `now` in the next `groups` groups of the table, going
  // round.
  void sweep(PacketTime now, std::size_t groups) noexcept {
    // Rounded up, so that nothing that is due is passed over; what is not quite due is left.
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
      if (const PacketTime due = due_at(attempt); due <= segment.time) [[unlikely]] {
        time_out(slot, due);
      }
    }
    if (!attempt.pending() && table_.deadline(slot).reached_at(Tick::at(segment.time))) {
      // A remembered attempt whose time is up counts as gone, though the sweep has yet to pass.
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

  void on_event(Slot slot, const Attempt& attempt, Event event, PacketTime at) noexcept {
    if (is_ignored(event)) return counts_.ignored.add(reason_of(event));
    ++counts_.used;
    if (is_outcome(event)) return conclude(slot, ending_of(event, at));
    switch (event) {
      case Event::syn_copy:
        ++counts_.syn_copies;
        break;
      case Event::synack_copy:
        ++counts_.synack_copies;
        break;
      case Event::late_syn:
        ++counts_.late_syns;
        return;
      case Event::late_synack:
        return observer_.late_synack(attempt);
      default:
        break;
    }
    if (!attempt.pending()) return;
    table_.set_deadline(slot, Tick::not_before(due_at(attempt)),
                        attempt.handshake.phase != Phase::syn_sent);
  }

  void open(const Segment& segment, const Home& home) noexcept {
    const AttemptTable::Place place = table_.place(home, table_.full());
    if (place.evicts) evict(place.slot, segment.time);
    open_at(place.slot, segment, home);
  }

  // What had fallen due before has timed out; the sweep only came too late.
  void evict(Slot slot, PacketTime now) noexcept {
    const PacketTime due = due_at(table_[slot]);
    if (due <= now) return time_out(slot, due);
    observer_.ended(table_[slot], {.result = Result::evicted, .at = now});
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
    const Ending timeout = timeout_in(attempt.handshake.phase, attempt, at);
    expire(attempt.handshake);
    conclude(slot, timeout);
  }

  // The handshake is already in a phase with an outcome.
  void conclude(Slot slot, const Ending& ending) noexcept {
    observer_.ended(table_[slot], ending);
    table_.set_remembered(slot);
    table_.set_deadline(slot, Tick::not_before(ending.at + remember_));
  }

  [[nodiscard]] Ending timeout_in(Phase phase, const Attempt& attempt,
                                  PacketTime at) const noexcept {
    const bool synack_seen = phase == Phase::answered || phase == Phase::crossed_initiator_acked;
    return {.result = synack_seen ? Result::timed_out_no_ack : Result::timed_out_no_answer,
            .at = at,
            .uncertain = last_loss_ >= attempt.first_syn};
  }

  [[nodiscard]] PacketTime due_at(const Attempt& attempt) const noexcept {
    return std::min(attempt.last_segment() + timeout_, attempt.first_syn + kMaxAge);
  }

  [[nodiscard]] static Step as_step(const Attempt& attempt, const Segment& s) noexcept {
    using std::chrono::microseconds;
    constexpr microseconds kMost{0xffff'ffff};
    const auto since = std::chrono::duration_cast<microseconds>(s.time - attempt.first_syn);
    const auto at_us = std::clamp(since, microseconds{0}, kMost).count();
    return as_step(s, s.sender == attempt.initiator(), static_cast<std::uint32_t>(at_us));
  }

  [[nodiscard]] static Step as_step(const Segment& s, bool from_initiator,
                                    std::uint32_t at_us) noexcept {
    return {.from_initiator = from_initiator,
            .kind = s.kind,
            .flags = s.flags,
            .payload = s.payload,
            // Sixteen bits tell the interfaces of one flow apart well enough.
            .interface = static_cast<std::uint16_t>(s.interface),
            .sequence = s.sequence,
            .acknowledgment = s.acknowledgment,
            .at_us = at_us};
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
