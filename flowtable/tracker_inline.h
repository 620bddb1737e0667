// What the tracker does with a segment, and how attempts begin. Included by tracker.h alone.
#pragma once

namespace tcpeek::flowtable {

// --- Segments ---

template <class Observer>
void Tracker<Observer>::on_segment(const Segment& segment, const Home& home) noexcept {
  const Slot slot = table_.find(segment.key, home);
  if (!slot) return on_unknown(segment, home);
  Attempt& attempt = table_[slot];
  bool pending = attempt.pending();
  if (pending && (attempt.has_candidate() || may_be_due(attempt, segment.time))) [[unlikely]] {
    bring_up_to_date(slot, segment.time);
    pending = attempt.pending();
  }
  if (!pending && table_.deadline(slot).reached_at(Tick::at(segment.time))) {
    // A remembered attempt whose time is up counts as gone, though the sweep has not erased it yet.
    table_.erase(slot);
    return on_unknown(segment, home);
  }
  if (attempt.has_candidate() && candidate_takes(slot, segment, home)) [[unlikely]]
    return;
  Step s = as_step(attempt, segment);
  if (attempt.has_own_responder()) note_own(attempt, segment.time, s);
  const bool has_error = attempt.handshake.error_noted;
  const std::uint32_t error = attempt.handshake.responder_isn;
  const bool unanswered = !attempt.handshake.responder_was_seen();
  const Event event = step(attempt.handshake, s, copy_window_us_);
  if (has_error && unanswered) [[unlikely]]
    keep_error(attempt, home, error);
  if (segment.answers()) bear_witness(attempt, segment, event);
  if (event == Event::success) {
    ++counts_.used;
    return conclude(slot, {.cause = Cause::none, .at = segment.time});
  }
  if (event == Event::progressed) return moved(slot, attempt);
  on_event(slot, home, event, segment);
}

// Where this host is the responder, its SYN/ACKs are captured, unless they leave by another interface or
// packets were lost.
template <class Observer>
void Tracker<Observer>::note_own(const Attempt& attempt, PacketTime now, Step& s) const noexcept {
  const bool acks = s.from_initiator && (s.flags & tcp_flag::ack) != 0;
  if (!acks || is_answered(attempt.handshake.phase)) return;
  s.synack_may_be_unseen =
      last_loss_ >= attempt.first_syn || !witness_.has_seen(attempt.responder_address(), now);
}

// Of a SYN/ACK.
template <class Observer>
void Tracker<Observer>::bear_witness(const Attempt& attempt, const Segment& segment,
                                     Event event) noexcept {
  if (segment.sender == attempt.initiator()) return;
  if (is_ignored(event) || event == Event::answered_again) return;
  hops_.saw_synack(attempt.responder_address(), segment.hop_limit);
  if (attempt.has_own_responder()) witness_.saw(attempt.responder_address(), segment.time);
}

// The first repetition of all makes it an attempt that is retrying.
template <class Observer>
void Tracker<Observer>::note_retry(Slot slot, Event event) noexcept {
  const Attempt& attempt = table_[slot];
  const Handshake& h = attempt.handshake;
  if (h.dup_syns + h.dup_synacks == 1) observer_.retrying(attempt, table_.note(slot));
  if (event == Event::dup_synack && h.dup_synacks == 1)
    observer_.answered_again(attempt, table_.note(slot));
  observer_.sent_again(attempt, event, table_.note(slot));
}

template <class Observer>
void Tracker<Observer>::on_unknown(const Segment& segment, const Home& home) noexcept {
  if (segment.opens()) return open(segment, home);
  ignore(segment.kind == SegmentKind::unreachable ? Ignored::foreign_icmp : Ignored::no_attempt,
         segment, home);
}

template <class Observer>
void Tracker<Observer>::ignore(Ignored reason, const Segment& segment, const Home& home) noexcept {
  if (EarlySegments::answers(segment)) early_.keep(segment, home.hash);
  counts_.ignored.add(reason);
}

// What the state machine made of a segment.
template <class Observer>
void Tracker<Observer>::on_event(Slot slot, const Home& home, Event event,
                                 const Segment& segment) noexcept {
  const Attempt& attempt = table_[slot];
  switch (event) {
    case Event::progressed:
      return moved(slot, attempt);
    case Event::dup_syn:
    case Event::dup_synack:
      note_retry(slot, event);
      return moved(slot, attempt);
    case Event::error_noted:
      note_error(table_[slot], segment, home);
      return moved(slot, attempt);
    case Event::syn_copy:
      ++counts_.syn_copies;
      return moved(slot, attempt);
    case Event::synack_copy:
      ++counts_.synack_copies;
      return moved(slot, attempt);
    case Event::success:
    case Event::success_half_seen:
    case Event::success_late:
    case Event::refused:
    case Event::reset:
    case Event::aborted:
    case Event::half_open:
    case Event::probe:
    case Event::unreachable:
      ++counts_.used;
      return conclude(slot, outcome_of(event, attempt, segment));
    case Event::candidate:
      return add_candidate(slot, segment, home);
    case Event::reopened:
      table_.erase(slot);
      return open(segment, home);
    case Event::answered_again:
      open_again(slot, home, segment.time);
      return on_segment(segment, home);
    case Event::turned_round:
      turn_round(slot, home, segment);
      return on_segment(segment, home);
    case Event::late_syn:
      ++counts_.late_syns;
      return moved(slot, attempt);
    case Event::late_synack:
      observer_.late_synack(attempt);
      return moved(slot, attempt);
    case Event::does_not_fit:
      return ignore(Ignored::does_not_fit, segment, home);
    case Event::proves_nothing:
      return ignore(Ignored::proves_nothing, segment, home);
    case Event::unanswered_ack:
      return ignore(Ignored::unanswered_ack, segment, home);
    case Event::blind_rst:
      return ignore(Ignored::blind_rst, segment, home);
    case Event::foreign_icmp:
      return ignore(Ignored::foreign_icmp, segment, home);
    case Event::icmp_about_synack:
      return ignore(Ignored::icmp_about_synack, segment, home);
    case Event::other_interface:
      return ignore(Ignored::other_interface, segment, home);
    case Event::after_outcome:
      return ignore(Ignored::after_outcome, segment, home);
  }
}

template <class Observer>
void Tracker<Observer>::moved(Slot slot, const Attempt& attempt) noexcept {
  ++counts_.used;
  if (!attempt.pending()) return;
  table_.set_deadline(slot, Tick::not_before(due_at(attempt)),
                      is_answered(attempt.handshake.phase));
}

// --- Beginning ---

template <class Observer>
Slot Tracker<Observer>::room(const Home& home, PacketTime now) noexcept {
  const AttemptTable::Place place = table_.place(home, table_.full());
  if (place.evicts) evict(place.slot, now);
  return place.slot;
}

template <class Observer>
void Tracker<Observer>::open(const Segment& syn, const Home& home) noexcept {
  const Slot slot = room(home, syn.time);
  ++counts_.used;
  Attempt& attempt = table_.put(slot, syn.key, home);
  attempt.first_syn = syn.time;
  begin(attempt.handshake, as_step(syn, true, 0));
  attempt.set_initiator(syn.sender);
  attempt.set_interface(syn.interface);
  table_.set_deadline(slot, Tick::not_before(syn.time + timeout_));
  observer_.opened(attempt, table_.note(slot));
  note_requests(attempt.handshake, syn.flags, syn.payload);
  if (early_.may_hold(syn.time)) [[unlikely]]
    apply_early(syn, home);
}

// An answer that was captured before its SYN, as if in order. It is counted already.
template <class Observer>
void Tracker<Observer>::apply_early(const Segment& syn, const Home& home) noexcept {
  const Segment* early = early_.take(syn, home.hash);
  if (early == nullptr) return;
  Segment answer = *early;
  answer.time = std::max(answer.time, syn.time);
  on_segment(answer, home);
  --counts_.used;
}

// Puts an attempt that has begun already into a slot.
template <class Observer>
void Tracker<Observer>::put(Slot slot, const Home& home, const Attempt& begun) noexcept {
  Attempt& attempt = table_.put(slot, begun.key, home);
  attempt.first_syn = begun.first_syn;
  attempt.interface_high = begun.interface_high;
  attempt.handshake = begun.handshake;
  table_.set_deadline(slot, Tick::not_before(due_at(attempt)));
  observer_.opened(attempt, table_.note(slot));
}

// The initiator had failed, tried again with the same SYN, and is answered: an attempt of its own.
template <class Observer>
void Tracker<Observer>::open_again(Slot slot, const Home& home, PacketTime now) noexcept {
  const Attempt& failed = table_[slot];
  const Handshake& last = failed.handshake;
  Attempt again{.key = failed.key, .first_syn = failed.other_syn(), .handshake = {}};
  begin(again.handshake, {.interface = last.syn_interface,
                          .print = last.syn_print,
                          .payload = last.syn_payload,
                          .sequence = last.isn});
  again.set_initiator(failed.initiator());
  again.interface_high = failed.interface_high;
  table_.erase(slot);
  put(room(home, now), home, again);
}

}  // namespace tcpeek::flowtable
