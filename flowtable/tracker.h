// From segments to outcomes: looks up a segment's attempt, moves it by the state machine, ends what has
// waited too long, and notifies an observer when an attempt begins and when it ends.
//
// How time works: an attempt that had no handshake segment for `timeout` has ended at that very moment,
// whenever the tracker notices: at the next segment of the same 4-tuple, or in the sweep. So counts
// depend on the packets alone. The same goes for candidates (candidates.h) and for ICMP errors, which are
// final once the initiator has not repeated its SYN for kErrorSettles. An attempt that never stops
// repeating itself ends after kMaxAge.
//
// One with an outcome is remembered for `remember`, room permitting, to know late copies of its segments.
// Observer: noexcept members
//   void opened(Attempt&, std::uint16_t& note)   may set the tag, the note (AttemptTable::note), and that
//                                                it is this host's own
//   void ended(const Attempt&, const Outcome&, std::uint16_t note)
//   void late_synack(const Attempt&)         a SYN/ACK repeated after success
//   void retrying(const Attempt&, std::uint16_t note)   its SYN or SYN/ACK was repeated for the first time
//   void answered_again(const Attempt&, std::uint16_t note)   its SYN/ACK was; after retrying(), if both
//   void sent_again(const Attempt&, Event, std::uint16_t note)   each time, after these: dup_syn or dup_synack
//
// Thread contract: owned by one reader. Nothing here allocates, locks or throws after construction.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>

#include "flowtable/attempt.h"
#include "flowtable/candidates.h"
#include "flowtable/early_segments.h"
#include "flowtable/hop_witness.h"
#include "flowtable/ignored.h"
#include "flowtable/noted_errors.h"
#include "flowtable/outcome.h"
#include "flowtable/segment_step.h"
#include "flowtable/synack_witness.h"
#include "flowtable/table.h"
#include "flowtable/tracker_types.h"

namespace tcpeek::flowtable {

template <class Observer>
class Tracker {
 public:
  // Keeps 32-bit microseconds from wrapping (71 minutes).
  static constexpr std::chrono::seconds kMaxAge{3600};
  // Linux repeats a SYN after one second, and two more: an error was soft if it does (FACTS 25).
  static constexpr std::chrono::seconds kErrorSettles{3};
  static constexpr std::size_t kBatch = 32;

  Tracker(const TrackerConfig& config, Observer& observer)
      : timeout_(std::min(config.timeout, kMaxAge)),
        remember_(config.remember),
        copy_window_us_(static_cast<std::uint32_t>(config.copy_window.count())),
        observer_(observer),
        table_(config.capacity, config.secret, config.memory) {}

  void on_segment(const Segment& segment) noexcept {
    on_segment(segment, table_.home(segment.key));
  }

  // The same for up to kBatch segments, with the memory they need fetched side by side: one
  // dependent cache miss per packet would already be more time than line rate leaves. Hashing has a
  // round of its own: right after decoding, its loads would wait for stores they do not match. So has the first
  // prefetch: it waits for its page to be found, and processors have several of them wait at a time if they stand
  // close together (0.88 times as long with a million live, in a nested VM). For the rest, found and fetched one by
  // one, rounds of their own were slower: the first would wait for the last to be found.
  void on_segments(std::span<const Segment> segments) noexcept {
    std::array<Home, kBatch> homes;
    const auto used = std::span(homes).first(segments.size());
    for (std::size_t i = 0; i < segments.size(); ++i) homes[i] = table_.home(segments[i].key);
    for (const Home& home : used) table_.prefetch(home);
    if (table_.full()) [[unlikely]] {
      for (const Home& home : used) table_.prefetch_both(home);
    }
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (!table_.prefetch_found(homes[i]) && segments[i].opens()) table_.prefetch_room(homes[i]);
    }
    for (std::size_t i = 0; i < segments.size(); ++i) on_segment(segments[i], homes[i]);
  }

  // Ends and forgets what has fallen due by `now` in the next `groups` groups, round-robin.
  void sweep(PacketTime now, std::size_t groups) noexcept;
  void sweep_all(PacketTime now) noexcept { sweep(now, table_.group_count()); }

  // No segment follows: ICMP errors that were noted are final.
  void settle_errors(PacketTime now) noexcept;

  // The same where a capture file ends, for all that waits: what only waits for one to decide it is decided, as of `now`, in the next `groups`
  // groups. Calls still_pending(const Attempt&) for the rest.
  template <class Fn>
  void finish(PacketTime now, std::size_t groups, Fn&& still_pending) noexcept;

  // Packets were lost up to `until`: timeouts of attempts begun before are uncertain.
  void note_loss(PacketTime until) noexcept { last_loss_ = std::max(last_loss_, until); }

  [[nodiscard]] const TrackerCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] const AttemptTable& table() const noexcept { return table_; }
  // Of a table that grows; between two batches.
  bool take_memory() noexcept { return table_.take_memory(); }
  void give_back_memory(std::size_t start, std::size_t groups) noexcept {
    table_.give_back_memory(start, groups);
  }

 private:
  using Home = AttemptTable::Home;

  // tracker_inline.h.
  void on_segment(const Segment& segment, const Home& home) noexcept;
  void note_own(const Attempt& attempt, PacketTime now, Step& s) const noexcept;
  void bear_witness(const Attempt& attempt, const Segment& segment, Event event) noexcept;
  void on_unknown(const Segment& segment, const Home& home) noexcept;
  [[gnu::cold]] void on_event(Slot slot, const Home& home, Event event,
                              const Segment& segment) noexcept;
  void ignore(Ignored reason, const Segment& segment, const Home& home) noexcept;
  inline void moved(Slot slot, const Attempt& attempt) noexcept;
  void open(const Segment& syn, const Home& home) noexcept;
  [[nodiscard]] inline Slot room(const Home& home, PacketTime now) noexcept;
  void put(Slot slot, const Home& home, const Attempt& begun) noexcept;
  [[gnu::cold]] void apply_early(const Segment& syn, const Home& home) noexcept;
  [[gnu::cold]] void open_again(Slot slot, const Home& home, PacketTime now) noexcept;

  // tracker_candidates.h.
  void add_candidate(Slot slot, const Segment& syn, const Home& home) noexcept;
  [[nodiscard]] bool candidate_takes(Slot slot, const Segment& segment, const Home& home) noexcept;
  [[nodiscard]] bool repeats(Candidate& candidate, const Segment& syn) noexcept;
  [[nodiscard]] bool ends(const Attempt& attempt, Candidate& candidate,
                          const Segment& segment) noexcept;
  [[nodiscard]] Slot pending_slot(const Candidate& candidate) const noexcept;
  void decide(Candidate& candidate, PacketTime now) noexcept;
  void turn_round(Slot slot, const Home& home, const Segment& answer) noexcept;
  void supersede(Slot slot, const Candidate& candidate) noexcept;
  void give_up_candidate(Slot slot, const Home& home) noexcept;
  void settle_candidate(Slot slot, bool success) noexcept;

  // tracker_ending.h.
  template <class Fn>
  void next_groups(std::size_t groups, Fn&& fn) noexcept;
  void evict(Slot slot, PacketTime now) noexcept;
  void bring_up_to_date(Slot slot, PacketTime now) noexcept;
  void time_out(Slot slot, PacketTime at) noexcept;
  void end_superseded(Slot slot, PacketTime at) noexcept;
  // Inlined, as each attempt ends by it: gcc leaves that out otherwise, for 1.2% more instructions.
  [[gnu::always_inline]] inline void conclude(Slot slot, const Outcome& outcome) noexcept;
  void note_error(Attempt& attempt, const Segment& error, const Home& home) noexcept;
  void keep_error(const Attempt& attempt, const Home& home, std::uint32_t number) noexcept;
  [[nodiscard]] const IcmpError* error_of(const Attempt& attempt) const noexcept;
  void note_retry(Slot slot, Event event) noexcept;
  [[nodiscard]] Outcome outcome_of(Event event, const Attempt& attempt,
                                   const Segment& segment) const noexcept;
  [[nodiscard]] Outcome unanswered(const Attempt& attempt, PacketTime at) const noexcept;

  [[nodiscard]] PacketTime due_at(const Attempt& attempt) const noexcept {
    const PacketTime due = std::min(attempt.last_segment() + timeout_, attempt.first_syn + kMaxAge);
    if (!attempt.handshake.error_noted) [[likely]]
      return due;
    return std::min(due, attempt.error_time() + kErrorSettles);
  }

  // False of most: nothing falls due within a timeout of the first SYN, but for a noted error.
  [[nodiscard]] bool may_be_due(const Attempt& attempt, PacketTime now) const noexcept {
    return now - attempt.first_syn >= timeout_ || attempt.handshake.error_noted;
  }

  PacketClock::duration timeout_;
  PacketClock::duration remember_;
  std::uint32_t copy_window_us_;
  Observer& observer_;
  AttemptTable table_;
  Candidates candidates_;
  EarlySegments early_;
  NotedErrors errors_;
  AnsweredErrors answered_errors_;
  HopWitness hops_;
  SynackWitness witness_;
  TrackerCounts counts_;
  std::size_t sweep_at_ = 0;
  PacketTime last_loss_ = PacketTime::min();
};

}  // namespace tcpeek::flowtable

#include "flowtable/tracker_candidates.h"
#include "flowtable/tracker_ending.h"
#include "flowtable/tracker_inline.h"
