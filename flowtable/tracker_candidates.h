// What the tracker does about candidates: SYNs that may begin an attempt in the place of a pending one
// (candidates.h). Until it is decided whose turn it is, the older attempt goes on as if the other SYN had
// not been, and the candidate keeps what is sent about it. Included by tracker.h alone.
#pragma once

namespace tcpeek::flowtable {

// A third ISN: the initiator has given up the first.
template <class Observer>
void Tracker<Observer>::add_candidate(Slot slot, const Segment& syn, const Home& home) noexcept {
  Attempt& attempt = table_[slot];
  if (attempt.has_candidate()) {
    if (const Candidate* former = candidates_.find(syn.key, home.hash); former != nullptr) {
      supersede(slot, *former);
      return on_segment(syn, home);
    }
  }
  ++counts_.used;
  Candidate& candidate = candidates_.place(home.hash, syn.time);
  if (candidate.taken && candidate.decided_at() <= syn.time) decide(candidate, syn.time);
  counts_.stray_syns += candidate.taken;
  candidate.taken = true;
  candidate.outcome.reset();
  candidate.attempt.key = syn.key;
  candidate.attempt.first_syn = syn.time;
  begin(candidate.attempt.handshake, as_step(syn, true, 0));
  note_requests(candidate.attempt.handshake, syn.flags, syn.payload);
  candidate.attempt.set_initiator(syn.sender);
  candidate.attempt.set_interface(syn.interface);
  attempt.set_candidate(true);
  apply_early(syn, home);
}

// Whether the segment is the candidate's, or decides whose turn it is; if it does, the attempt in the
// slot is the one that the segment is about.
template <class Observer>
bool Tracker<Observer>::candidate_takes(Slot slot, const Segment& segment,
                                        const Home& home) noexcept {
  Attempt& attempt = table_[slot];
  Candidate* const candidate = candidates_.find(segment.key, home.hash);
  if (candidate == nullptr) {
    attempt.set_candidate(false);
    return false;
  }
  const Handshake& next = candidate->attempt.handshake;
  const bool from_its_initiator = segment.sender == candidate->attempt.initiator();
  if (segment.kind == SegmentKind::unreachable) {
    if (!from_its_initiator || segment.sequence != next.isn || !is_pending(next.phase))
      return false;
    step(candidate->attempt.handshake, as_step(candidate->attempt, segment), copy_window_us_);
    note_error(candidate->attempt, segment, home);
    ++counts_.used;
    return true;
  }
  if (segment.opens()) {
    return from_its_initiator && segment.sequence == next.isn && repeats(*candidate, segment);
  }
  if (!segment.answers()) return ends(attempt, *candidate, segment);
  if (segment.sender != attempt.initiator() &&
      acknowledges_syn(attempt.handshake, segment.acknowledgment)) {
    give_up_candidate(slot, home);
  } else if (!from_its_initiator && acknowledges_syn(next, segment.acknowledgment)) {
    supersede(slot, *candidate);
  }
  return false;
}

template <class Observer>
bool Tracker<Observer>::repeats(Candidate& candidate, const Segment& syn) noexcept {
  const Step again = as_step(candidate.attempt, syn);
  const Event event = step(candidate.attempt.handshake, again, copy_window_us_);
  if (event == Event::other_interface) {
    counts_.ignored.add(Ignored::other_interface);
    return true;
  }
  counts_.syn_copies += event == Event::syn_copy;
  counts_.late_syns += event == Event::late_syn;
  ++counts_.used;
  return true;
}

// What ends the candidate and not the attempt, a RST or an ACK whose SYN/ACK was not captured, is kept
// until the candidate opens.
template <class Observer>
bool Tracker<Observer>::ends(const Attempt& attempt, Candidate& candidate,
                             const Segment& segment) noexcept {
  Handshake older = attempt.handshake;
  if (is_outcome(step(older, as_step(attempt, segment), copy_window_us_))) return false;
  Handshake next = candidate.attempt.handshake;
  next.phase = Phase::syn_sent;
  Step s = as_step(candidate.attempt, segment);
  s.synack_may_be_unseen = !attempt.has_own_responder();
  const Event event = step(next, s, copy_window_us_);
  if (!is_outcome(event)) return false;
  ++counts_.used;
  if (candidate.outcome) return true;
  candidate.attempt.handshake = next;
  candidate.outcome = outcome_of(event, candidate.attempt, segment);
  return true;
}

// A candidate whose time is up, and gives its place back.
template <class Observer>
void Tracker<Observer>::decide(Candidate& candidate, PacketTime now) noexcept {
  if (const Slot slot = pending_slot(candidate)) bring_up_to_date(slot, now);
  candidate.taken = false;
}

// Of the older attempt.
template <class Observer>
Slot Tracker<Observer>::pending_slot(const Candidate& candidate) const noexcept {
  const FlowKey& key = candidate.attempt.key;
  const Slot slot = table_.find(key, table_.home(key));
  return slot && table_[slot].pending() ? slot : Slot();
}

template <class Observer>
void Tracker<Observer>::supersede(Slot slot, const Candidate& candidate) noexcept {
  end_superseded(slot, candidate.attempt.first_syn);
}

template <class Observer>
void Tracker<Observer>::give_up_candidate(Slot slot, const Home& home) noexcept {
  table_[slot].set_candidate(false);
  if (Candidate* candidate = candidates_.find(table_[slot].key, home.hash); candidate != nullptr) {
    candidate->taken = false;
    ++counts_.stray_syns;
  }
}

// The attempt has ended: after a success the candidate was nothing, else it is its turn.
template <class Observer>
void Tracker<Observer>::settle_candidate(Slot slot, bool success) noexcept {
  const FlowKey key = table_[slot].key;
  const Home home = table_.home(key);
  if (success) return give_up_candidate(slot, home);
  table_[slot].set_candidate(false);
  Candidate* const candidate = candidates_.find(key, home.hash);
  if (candidate == nullptr) return;
  candidate->taken = false;
  const Candidate next = *candidate;
  put(slot, home, next.attempt);
  if (next.outcome) conclude(slot, *next.outcome);
}

// The SYN that crossed begins an attempt in the other direction; the one before it was nobody's.
template <class Observer>
void Tracker<Observer>::turn_round(Slot slot, const Home& home, const Segment& answer) noexcept {
  const Attempt& older = table_[slot];
  const Handshake& crossed = older.handshake;
  Attempt next{.key = older.key, .first_syn = older.other_syn(), .handshake = {}};
  begin(next.handshake, {.interface = crossed.synack_interface,
                         .print = crossed.synack_print,
                         .payload = crossed.answer_payload,
                         .sequence = crossed.responder_isn});
  next.set_initiator(other(older.initiator()));
  next.set_interface(answer.interface);
  if (folded(answer.interface) != crossed.synack_interface) {
    next.interface_high = older.interface_high;
  }
  if (older.has_candidate()) give_up_candidate(slot, home);
  end_superseded(slot, next.first_syn);
  put(slot, home, next);
}

}  // namespace tcpeek::flowtable
