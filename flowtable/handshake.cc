// How it reads: step() sorts a segment by kind; above it is one function for each kind.
// In all of them "fits" is about distances from an initial sequence number, modulo 2^32.

#include "flowtable/handshake.h"

#include <algorithm>
#include <limits>

namespace tcpeek::flowtable {
namespace {

// How far beyond the SYNs late proof may lie. A blind forger hits it once in 256 tries of each number.
constexpr std::uint32_t kLateProof = std::uint32_t{1} << 24;
// What a responder that took the data of a SYN may send before it sees the completing ACK.
constexpr std::uint32_t kFastOpenAnswer = 65'536;

// How far `number` lies beyond the SYN that carried `isn`.
constexpr std::uint32_t beyond(std::uint32_t isn, std::uint32_t number) noexcept {
  return number - isn - 1;
}

bool is_crossed(Phase p) noexcept {
  return p >= Phase::crossed && p <= Phase::crossed_responder_acked;
}

bool is_unacknowledged_crossing(Phase p) noexcept {
  return p == Phase::crossed || p == Phase::crossed_responder_acked;
}

bool is_responder_isn(const Handshake& h, std::uint32_t number) noexcept {
  return number == h.responder_isn || (h.two_responders && number == h.other_isn_or_error_us);
}

// How far `number` lies beyond the responder's SYN; of two, the nearer one's.
std::uint32_t beyond_responder(const Handshake& h, std::uint32_t number) noexcept {
  const std::uint32_t first = beyond(h.responder_isn, number);
  if (!h.two_responders) return first;
  return std::min(first, beyond(h.other_isn_or_error_us, number));
}

void close(Handshake& h, Phase known, Phase unknown) noexcept {
  h.phase = h.responder_was_seen() ? known : unknown;
  h.syn_repeated = false;
}

// An ICMP error that no repeated SYN has taken back came first.
Event fail(Handshake& h, Event outcome) noexcept {
  close(h, Phase::failed, Phase::failed_unanswered);
  return h.error_noted ? Event::unreachable : outcome;
}

Event succeed(Handshake& h, Event outcome) noexcept {
  close(h, Phase::succeeded, Phase::succeeded_half_seen);
  return outcome;
}

void count_up(std::uint8_t& n) noexcept {
  if (n < std::numeric_limits<std::uint8_t>::max()) ++n;
}

bool late_proof_is_over(const Handshake& h) noexcept {
  return h.misfits == Handshake::kMostMisfits;
}

Event misfit(Handshake& h, Event event) noexcept {
  if (!late_proof_is_over(h)) h.misfits = (h.misfits + 1U) & 7U;
  return event;
}

std::uint32_t stored(std::int64_t at_us) noexcept {
  return static_cast<std::uint32_t>(std::max(at_us, -Handshake::kMostBefore_us));
}

// Whether a repetition at `at_us` is near enough to the one at `last_us` to be a copy. Captures put
// packets out of order by microseconds; what is earlier by more is from before a step of the clock.
bool is_near(std::uint32_t last_us, std::int64_t at_us, std::uint32_t window_us) noexcept {
  const std::int64_t apart = at_us - Handshake::since_syn(last_us);
  return window_us != 0 && apart <= window_us && -apart <= window_us;
}

Event on_initiator_syn(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  if (s.sequence != h.isn) return Event::candidate;
  if (s.interface != h.syn_interface) return Event::other_interface;
  h.syn_payload = std::max(h.syn_payload, s.payload);
  const bool copy = s.print == h.syn_print && is_near(h.last_syn_us, s.at_us, window_us);
  h.last_syn_us = stored(s.at_us);
  if (copy) return Event::syn_copy;
  h.syn_print = s.print;
  h.syn_repeated = true;
  h.error_noted = false;
  const bool unanswered = h.phase == Phase::syn_sent;
  h.ecn_at_first = h.ecn_at_first && unanswered && !asks_for_ecn(s.flags);
  h.fast_open_at_first =
      h.fast_open_at_first && unanswered && !asks_for_fast_open(s.flags, s.payload);
  count_up(h.dup_syns);
  return Event::dup_syn;
}

// Once the responder has answered, its SYN may begin an attempt of its own; before that the SYNs cross.
Event on_responder_syn(Handshake& h, const Step& s) noexcept {
  if (is_crossed(h.phase) && s.sequence == h.responder_isn) {
    h.answer_payload = std::max(h.answer_payload, s.payload);
    return Event::progressed;
  }
  if (is_answered(h.phase)) return Event::candidate;
  // The initiator has said which of them it takes.
  if (h.phase == Phase::crossed_responder_acked) return Event::does_not_fit;
  h.phase = Phase::crossed;
  h.responder_isn = s.sequence;
  h.answer_payload = s.payload;
  h.synack_interface = s.interface;
  h.synack_print = s.print;
  h.last_answer_us = stored(s.at_us);
  return Event::progressed;
}

void answer(Handshake& h, const Step& s) noexcept {
  h.synack_interface = s.interface;
  h.synack_print = s.print;
  h.last_answer_us = stored(s.at_us);
  h.syn_repeated = false;
}

Event repeated_synack(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  if (s.interface != h.synack_interface) return Event::other_interface;
  const bool copy =
      !h.syn_repeated && s.print == h.synack_print && is_near(h.last_answer_us, s.at_us, window_us);
  answer(h, s);
  if (copy) return Event::synack_copy;
  count_up(h.dup_synacks);
  return Event::dup_synack;
}

// The responder has acknowledged the initiator's SYN, so its own number is as good as proved.
Event first_answer(Handshake& h, const Step& s, Phase phase) noexcept {
  answer(h, s);
  h.responder_isn = s.sequence;
  h.phase = phase;
  return Event::progressed;
}

// Another responder, or the same one restarted: acceptable besides the first.
Event other_answer(Handshake& h, const Step& s) noexcept {
  h.phase = Phase::answered;
  h.two_responders = true;
  h.error_noted = false;
  h.other_isn_or_error_us = s.sequence;
  h.answer_payload = std::max(h.answer_payload, s.payload);
  h.synack_print = s.print;
  h.last_answer_us = stored(s.at_us);
  h.syn_repeated = false;
  return Event::progressed;
}

Event on_responder_synack(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  if (!acknowledges_syn(h, s.acknowledgment)) return Event::does_not_fit;
  if (beyond(h.isn, s.acknowledgment) != 0) h.data_acknowledged = true;
  const bool same = h.phase != Phase::syn_sent && is_responder_isn(h, s.sequence);
  if (is_answered(h.phase)) {
    if (!same) return other_answer(h, s);
    h.answer_payload = std::max(h.answer_payload, s.payload);
    return repeated_synack(h, s, window_us);
  }
  // A SYN that crossed with another number was not the responder's.
  if (!same) {
    h.answer_payload = s.payload;
    return first_answer(h, s, Phase::answered);
  }
  h.answer_payload = std::max(h.answer_payload, s.payload);
  const bool both = h.phase == Phase::crossed_responder_acked;
  first_answer(h, s, Phase::crossed_initiator_acked);
  return both ? succeed(h, Event::success) : Event::progressed;
}

// An acknowledgment of a SYN of the responder, with all, some or none of the data on it.
bool acknowledges_responder(const Handshake& h, std::uint32_t ack) noexcept {
  return beyond_responder(h, ack) <= h.answer_payload;
}

// The initiator has acknowledged the SYN that crossed its own.
Event responder_acknowledged(Handshake& h, const Step& s) noexcept {
  h.last_answer_us = stored(s.at_us);
  h.phase = Phase::crossed_responder_acked;
  return Event::progressed;
}

Event on_initiator_synack(Handshake& h, const Step& s) noexcept {
  if (s.sequence != h.isn) {
    // The SYN that crossed was the first true one: the one before it was forged.
    const bool answers = h.phase == Phase::crossed && acknowledges_responder(h, s.acknowledgment);
    return answers ? Event::turned_round : Event::does_not_fit;
  }
  if (h.phase == Phase::syn_sent) {
    if (!s.ends_are_one || !acknowledges_syn(h, s.acknowledgment)) return Event::does_not_fit;
    first_answer(h, s, Phase::answered);
    return succeed(h, Event::success);
  }
  if (!acknowledges_responder(h, s.acknowledgment)) return Event::does_not_fit;
  return is_answered(h.phase) ? succeed(h, Event::success) : responder_acknowledged(h, s);
}

// The SYN/ACK was never captured, or the SYN that crossed was a forger's.
Event on_unanswered_ack(Handshake& h, const Step& s) noexcept {
  const std::uint32_t sent = beyond(h.isn, s.sequence);
  if (sent != 0 && sent != h.syn_payload) return misfit(h, Event::does_not_fit);
  if (!s.synack_may_be_unseen) return Event::unanswered_ack;
  h.phase = is_crossed(h.phase) ? Phase::succeeded_crossed : Phase::succeeded_half_seen;
  h.syn_repeated = false;
  return Event::success_half_seen;
}

Event on_initiator_ack(Handshake& h, const Step& s) noexcept {
  if (h.phase == Phase::syn_sent) return on_unanswered_ack(h, s);
  if (is_unacknowledged_crossing(h.phase)) {
    const bool exact =
        acknowledges_syn(h, s.sequence) && acknowledges_responder(h, s.acknowledgment);
    return exact ? responder_acknowledged(h, s) : on_unanswered_ack(h, s);
  }
  const std::uint32_t sent = beyond(h.isn, s.sequence);
  const std::uint32_t acknowledged = beyond_responder(h, s.acknowledgment);
  const std::uint32_t most = h.answer_payload + (h.data_acknowledged ? kFastOpenAnswer : 0U);
  if (sent <= h.syn_payload && acknowledged <= most) return succeed(h, Event::success);
  const bool fits = sent < kLateProof && acknowledged < kLateProof && !late_proof_is_over(h);
  return fits ? succeed(h, Event::success_late) : misfit(h, Event::does_not_fit);
}

// The responder proves that it has seen the completing ACK by sending what it would not send before it.
// With data on the SYN it may answer that data earlier (RFC 7413 section 4.2.2): then only acknowledging
// more than the SYN carried is proof.
bool proves_completion(const Handshake& h, const Step& s) noexcept {
  if (beyond(h.isn, s.acknowledgment) > h.syn_payload) return true;
  if (h.syn_payload != 0) return false;
  return s.payload != 0 || (s.flags & tcp_flag::fin) != 0 || beyond_responder(h, s.sequence) != 0;
}

Event on_responder_ack(Handshake& h, const Step& s) noexcept {
  if (h.phase == Phase::syn_sent || h.phase == Phase::crossed) {
    return misfit(h, Event::does_not_fit);
  }
  if (h.phase == Phase::crossed_responder_acked) {
    // SYNs crossed, and now both are acknowledged.
    const bool exact = acknowledges_syn(h, s.acknowledgment) &&
                       s.sequence - h.responder_isn <= std::uint32_t{h.answer_payload} + 1;
    if (!exact) return misfit(h, Event::does_not_fit);
    succeed(h, Event::success);
    h.syn_repeated = true;  // a SYN/ACK that comes now has none before it
    return Event::success;
  }
  const bool fits =
      beyond(h.isn, s.acknowledgment) < kLateProof && beyond_responder(h, s.sequence) < kLateProof;
  if (!fits) return misfit(h, Event::does_not_fit);
  if (!proves_completion(h, s)) return Event::proves_nothing;
  return late_proof_is_over(h) ? Event::does_not_fit : succeed(h, Event::success_late);
}

// A RST that acknowledges, with numbers past the handshake on one side at least: it was over.
bool ends_a_connection(const Handshake& h, const Step& s) noexcept {
  if ((s.flags & tcp_flag::ack) == 0 || !is_answered(h.phase) || late_proof_is_over(h)) {
    return false;
  }
  const std::uint32_t initiators = s.from_initiator ? s.sequence : s.acknowledgment;
  const std::uint32_t responders = s.from_initiator ? s.acknowledgment : s.sequence;
  const std::uint32_t sent = beyond(h.isn, initiators);
  const std::uint32_t answered = beyond_responder(h, responders);
  return sent < kLateProof && answered < kLateProof &&
         (sent > h.syn_payload || answered > h.answer_payload);
}

// The initiator's RST, once answered. A host that knows of no such connection answers a SYN/ACK with a RST
// that does not acknowledge (RFC 9293 section 3.10.7.1); a socket that is connected and closed acknowledges.
Event initiator_reset(const Handshake& h, const Step& s) noexcept {
  if (!is_answered(h.phase)) return Event::aborted;
  if ((s.flags & tcp_flag::ack) == 0) return Event::half_open;
  return beyond_responder(h, s.acknowledgment) <= h.answer_payload ? Event::probe : Event::aborted;
}

// RFC 9293 3.10.7.3: a RST answers the SYN if it acknowledges it; later it must sit at the next
// sequence number exactly (RFC 5961 section 3), or anyone could end attempts blindly.
Event on_rst(Handshake& h, const Step& s) noexcept {
  if (ends_a_connection(h, s)) return succeed(h, Event::success_late);
  const bool acks = (s.flags & tcp_flag::ack) != 0;
  if (s.from_initiator) {
    if (acknowledges_syn(h, s.sequence)) return fail(h, initiator_reset(h, s));
  } else {
    const Event refusal = is_answered(h.phase) ? Event::reset : Event::refused;
    if (acks && acknowledges_syn(h, s.acknowledgment)) return fail(h, refusal);
    // Behind the data of its SYN/ACK, if there was any.
    if (is_answered(h.phase) && beyond_responder(h, s.sequence) <= h.answer_payload) {
      return fail(h, Event::reset);
    }
  }
  return acks ? misfit(h, Event::blind_rst) : Event::blind_rst;
}

Event on_icmp_error(Handshake& h, const Step& s) noexcept {
  if (!is_pending(h.phase)) return Event::after_outcome;
  if (!s.from_initiator) {
    const bool known = is_answered(h.phase) && is_responder_isn(h, s.sequence);
    return known ? Event::icmp_about_synack : Event::foreign_icmp;
  }
  // Answered by two responders, the SYN has arrived, wherever the error is from.
  if (s.sequence != h.isn || h.two_responders) return Event::foreign_icmp;
  h.error_noted = true;
  h.other_isn_or_error_us = static_cast<std::uint32_t>(std::max<std::int64_t>(s.at_us, 0));
  return Event::error_noted;
}

Event on_late_syn(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  const bool same = s.from_initiator ? s.sequence == h.isn
                                     : h.responder_was_seen() && is_responder_isn(h, s.sequence);
  if (!same) return Event::reopened;
  if (!s.from_initiator || s.interface != h.syn_interface) return Event::late_syn;
  const bool copy = s.print == h.syn_print && is_near(h.last_syn_us, s.at_us, window_us);
  h.last_syn_us = stored(s.at_us);
  if (copy) return Event::syn_copy;
  // After a failure no answer is waited for, and this is when an attempt of its own would begin.
  if (h.phase == Phase::failed || h.phase == Phase::failed_unanswered) {
    h.last_answer_us = stored(s.at_us);
  }
  h.syn_print = s.print;
  h.syn_payload = std::max(h.syn_payload, s.payload);
  h.syn_repeated = true;
  return Event::late_syn;
}

Event on_late_synack(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  if (s.from_initiator || !acknowledges_syn(h, s.acknowledgment)) return Event::after_outcome;
  const bool failed = h.phase == Phase::failed || h.phase == Phase::failed_unanswered;
  if (failed) return h.syn_repeated ? Event::answered_again : Event::after_outcome;
  if (h.phase != Phase::succeeded || !is_responder_isn(h, s.sequence)) return Event::after_outcome;
  if (s.interface != h.synack_interface) return Event::other_interface;
  const bool copy =
      !h.syn_repeated && s.print == h.synack_print && is_near(h.last_answer_us, s.at_us, window_us);
  answer(h, s);
  return copy ? Event::synack_copy : Event::late_synack;
}

}  // namespace

Event step(Handshake& h, const Step& s, std::uint32_t copy_window_us) noexcept {
  if (s.kind == SegmentKind::unreachable) return on_icmp_error(h, s);
  const bool pending = is_pending(h.phase);
  if ((s.flags & tcp_flag::rst) != 0) return pending ? on_rst(h, s) : Event::after_outcome;
  const bool ack = (s.flags & tcp_flag::ack) != 0;
  if ((s.flags & tcp_flag::syn) != 0) {
    if ((s.flags & tcp_flag::fin) != 0) return pending ? Event::does_not_fit : Event::after_outcome;
    if (!ack) {
      if (!pending) return on_late_syn(h, s, copy_window_us);
      return s.from_initiator ? on_initiator_syn(h, s, copy_window_us) : on_responder_syn(h, s);
    }
    if (!pending) return on_late_synack(h, s, copy_window_us);
    return s.from_initiator ? on_initiator_synack(h, s) : on_responder_synack(h, s, copy_window_us);
  }
  if (!pending) return Event::after_outcome;
  if (!ack) return Event::does_not_fit;
  return s.from_initiator ? on_initiator_ack(h, s) : on_responder_ack(h, s);
}

void keep_requests(Handshake& h, std::uint8_t flags, std::uint16_t payload) noexcept {
  h.ecn_at_first = asks_for_ecn(flags);
  h.fast_open_at_first = asks_for_fast_open(flags, payload);
}

void expire(Handshake& h) noexcept {
  close(h, Phase::failed, Phase::failed_unanswered);
}

}  // namespace tcpeek::flowtable
