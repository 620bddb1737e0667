// How attempts end: by the event that decides them, in the sweep, evicted, or because no segment follows;
// and the ICMP error that is kept until then.
// Included by tracker.h alone.
#pragma once

namespace tcpeek::flowtable {

template <class Observer>
void Tracker<Observer>::sweep(PacketTime now, std::size_t groups) noexcept {
  candidates_.for_each_due(now, [&](Candidate& candidate) { decide(candidate, now); });
  // Rounded up, so that nothing that is due is missed; what is not quite due is left.
  const Tick tick = Tick::not_before(now);
  next_groups(groups, [&](std::size_t first, std::size_t part) {
    table_.sweep(first, part, tick, [&](Slot slot) {
      if (table_[slot].pending()) bring_up_to_date(slot, now);
      if (table_[slot].pending()) return;
      if (table_.deadline(slot).reached_at(Tick::at(now))) table_.erase(slot);
    });
  });
}

template <class Observer>
void Tracker<Observer>::settle_errors(PacketTime now) noexcept {
  // The latest packets may be a little ahead of `now`.
  constexpr std::chrono::seconds kAhead{1};
  const Tick due_by = Tick::not_before(now + kErrorSettles + kAhead);
  table_.sweep(0, table_.group_count(), due_by, [&](Slot slot) {
    const Attempt& attempt = table_[slot];
    if (attempt.pending() && attempt.handshake.error_noted) time_out(slot, now);
  });
}

template <class Observer>
template <class Fn>
void Tracker<Observer>::finish(PacketTime now, std::size_t groups, Fn&& still_pending) noexcept {
  candidates_.for_each_due(PacketTime::max(), [&](Candidate& candidate) {
    const Slot slot = pending_slot(candidate);
    if (slot) bring_up_to_date(slot, now);
    if (slot && candidate.taken && table_[slot].pending()) supersede(slot, candidate);
    candidate.taken = false;
  });
  next_groups(groups, [&](std::size_t first, std::size_t part) {
    table_.for_each_pending(first, part, [&](Slot slot) {
      bring_up_to_date(slot, now);
      const Attempt& attempt = table_[slot];
      if (attempt.pending() && attempt.handshake.error_noted) time_out(slot, now);
      if (attempt.pending()) still_pending(attempt);
    });
  });
}

// The next groups of the round: fn(first, how many), twice where the round begins again.
template <class Observer>
template <class Fn>
void Tracker<Observer>::next_groups(std::size_t groups, Fn&& fn) noexcept {
  groups = std::min(groups, table_.group_count());
  while (groups > 0) {
    const std::size_t part = std::min(groups, table_.group_count() - sweep_at_);
    fn(sweep_at_, part);
    sweep_at_ = (sweep_at_ + part) % table_.group_count();
    groups -= part;
  }
}

// What had fallen due before has timed out; the sweep was merely late. There is no room for a candidate.
template <class Observer>
void Tracker<Observer>::evict(Slot slot, PacketTime now) noexcept {
  const Attempt& attempt = table_[slot];
  if (attempt.has_candidate()) [[unlikely]]
    give_up_candidate(slot, table_.home(attempt.key));
  const PacketTime due = due_at(attempt);
  if (due <= now) return time_out(slot, due);
  observer_.ended(attempt, {.cause = Cause::evicted, .at = now}, table_.note(slot));
}

// All that has fallen due, in its order: a candidate that takes an attempt's place may be due itself.
template <class Observer>
void Tracker<Observer>::bring_up_to_date(Slot slot, PacketTime now) noexcept {
  const Attempt& attempt = table_[slot];
  while (attempt.pending()) {
    const PacketTime due = due_at(attempt);
    if (attempt.has_candidate()) {
      const Candidate* candidate = candidates_.find(attempt.key, table_.home(attempt.key).hash);
      if (candidate != nullptr && candidate->decided_at() <= due &&
          candidate->decided_at() <= now) {
        supersede(slot, *candidate);
        continue;
      }
    }
    if (due > now) return;
    time_out(slot, due);
  }
}

template <class Observer>
void Tracker<Observer>::time_out(Slot slot, PacketTime at) noexcept {
  Attempt& attempt = table_[slot];
  const Outcome outcome = unanswered(attempt, at);
  expire(attempt.handshake);
  conclude(slot, outcome);
}

// Another attempt takes its place.
template <class Observer>
void Tracker<Observer>::end_superseded(Slot slot, PacketTime at) noexcept {
  Attempt& attempt = table_[slot];
  Outcome outcome = unanswered(attempt, at);
  if (outcome.result() == Result::timeout) outcome.cause = Cause::superseded;
  expire(attempt.handshake);
  conclude(slot, outcome);
}

// The handshake is already in a phase with an outcome.
template <class Observer>
void Tracker<Observer>::conclude(Slot slot, const Outcome& outcome) noexcept {
  if (outcome.cause == Cause::unreachable) [[unlikely]] {
    const Attempt& attempt = table_[slot];
    Outcome detailed = outcome;
    detailed.error = error_of(attempt);
    observer_.ended(attempt, detailed, table_.note(slot));
  } else {
    observer_.ended(table_[slot], outcome, table_.note(slot));
  }
  table_.set_remembered(slot);
  table_.set_deadline(slot, Tick::not_before(outcome.at + remember_));
  if (table_[slot].has_candidate()) [[unlikely]]
    settle_candidate(slot, outcome.cause == Cause::none);
}

// How an attempt ends that nothing has decided by `at`: by the error that was noted, or as a timeout.
template <class Observer>
Outcome Tracker<Observer>::unanswered(const Attempt& attempt, PacketTime at) const noexcept {
  const Handshake& h = attempt.handshake;
  if (h.error_noted) return {.cause = Cause::unreachable, .at = attempt.error_time()};
  return {.cause = is_answered(h.phase) ? Cause::no_ack : Cause::no_answer,
          .at = at,
          .uncertain = h.misfits != 0 || last_loss_ >= attempt.first_syn};
}

// Of an event that decides an attempt.
template <class Observer>
Outcome Tracker<Observer>::outcome_of(Event event, const Attempt& attempt,
                                      const Segment& segment) const noexcept {
  const auto by_rst = [&](Cause cause) {
    return Outcome{.cause = cause,
                   .at = segment.time,
                   .rst_sender = hops_.sender_of(attempt.responder_address(), segment.hop_limit),
                   .rst_hop_limit = segment.hop_limit};
  };
  switch (event) {
    case Event::success:
      return {.cause = Cause::none, .at = segment.time};
    case Event::success_half_seen:
      return {.cause = Cause::none, .at = segment.time, .half_seen = true};
    case Event::success_late:
      return {.cause = Cause::none, .at = segment.time, .late_proof = true};
    case Event::refused:
      return by_rst(Cause::refused);
    case Event::reset:
      return by_rst(Cause::reset);
    case Event::aborted:
      return {.cause = Cause::aborted, .at = segment.time};
    case Event::half_open:
      return {.cause = Cause::half_open, .at = segment.time};
    case Event::probe:
      return {.cause = Cause::probe, .at = segment.time};
    case Event::unreachable:
      return {.cause = Cause::unreachable, .at = attempt.error_time()};
    case Event::progressed:
    case Event::dup_syn:
    case Event::syn_copy:
    case Event::dup_synack:
    case Event::synack_copy:
    case Event::error_noted:
    case Event::candidate:
    case Event::reopened:
    case Event::answered_again:
    case Event::turned_round:
    case Event::late_syn:
    case Event::late_synack:
    case Event::does_not_fit:
    case Event::proves_nothing:
    case Event::unanswered_ack:
    case Event::blind_rst:
    case Event::foreign_icmp:
    case Event::icmp_about_synack:
    case Event::other_interface:
    case Event::after_outcome:
      break;
  }
  __builtin_unreachable();
}

// What it said is kept in the attempt itself where there is room.
template <class Observer>
void Tracker<Observer>::note_error(Attempt& attempt, const Segment& error,
                                   const Home& home) noexcept {
  Handshake& h = attempt.handshake;
  const std::uint32_t number = errors_.note(error.icmp_error());
  if (!h.responder_was_seen()) {
    h.responder_isn = number;
  } else {
    answered_errors_.note(attempt.key, h.isn, home.hash, number);
  }
}

// A segment that was no end of it has taken the room.
template <class Observer>
void Tracker<Observer>::keep_error(const Attempt& attempt, const Home& home,
                                   std::uint32_t number) noexcept {
  const Handshake& h = attempt.handshake;
  if (h.error_noted && h.responder_was_seen())
    answered_errors_.note(attempt.key, h.isn, home.hash, number);
}

template <class Observer>
const IcmpError* Tracker<Observer>::error_of(const Attempt& attempt) const noexcept {
  const Handshake& h = attempt.handshake;
  if (!h.responder_was_seen()) return errors_.find(h.responder_isn);
  return errors_.find(answered_errors_.find(attempt.key, h.isn, table_.home(attempt.key).hash));
}

}  // namespace tcpeek::flowtable
