// How it reads: step() sorts a segment by kind; below it is one function per row of SPEC section 1.
// In all of them "fits" is about distances from an initial sequence number, modulo 2^32.

#include "flowtable/handshake.h"

#include <algorithm>
#include <limits>

namespace tcpeek::flowtable {
namespace {

constexpr std::uint32_t kHalfSpace = std::uint32_t{1} << 31;

// How far `number` lies beyond the SYN that carried `isn`.
constexpr std::uint32_t beyond(std::uint32_t isn, std::uint32_t number) noexcept {
  return number - isn - 1;
}

bool knows_responder(Phase p) noexcept {
  return p != Phase::syn_sent && p != Phase::succeeded_half_seen && p != Phase::failed_unanswered;
}

bool is_crossed(Phase p) noexcept {
  return p >= Phase::crossed && p <= Phase::crossed_responder_acked;
}

bool is_responder_isn(const Handshake& h, std::uint32_t number) noexcept {
  return number == h.responder_isn || number == h.other_responder_isn;
}

// An acknowledgment of the initiator's SYN, with all, some or none of the data on it.
bool acknowledges_syn(const Handshake& h, std::uint32_t ack) noexcept {
  return beyond(h.isn, ack) <= h.syn_payload;
}

void close(Handshake& h, Phase known, Phase unknown) noexcept {
  h.phase = knows_responder(h.phase) ? known : unknown;
}

Event fail(Handshake& h, Event outcome) noexcept {
  close(h, Phase::failed, Phase::failed_unanswered);
  return outcome;
}

Event succeed(Handshake& h, Event outcome) noexcept {
  close(h, Phase::succeeded, Phase::succeeded_half_seen);
  return outcome;
}

void count_up(std::uint16_t& n) noexcept {
  if (n < std::numeric_limits<std::uint16_t>::max()) ++n;
}

// Whether a repetition at `at_us` is a copy of the one at `last_us`. Captures put packets out of
// order by microseconds: an earlier time is a copy, too.
bool is_copy(std::uint32_t last_us, std::uint32_t at_us, std::uint32_t window_us) noexcept {
  return window_us != 0 && (at_us <= last_us || at_us - last_us <= window_us);
}

Event on_initiator_syn(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  if (s.sequence != h.isn) return fail(h, Event::superseded);
  if (s.interface != h.syn_interface) return Event::other_interface;
  h.syn_payload = std::max(h.syn_payload, s.payload);
  const bool copy = is_copy(h.last_syn_us, s.at_us, window_us);
  h.last_syn_us = std::max(h.last_syn_us, s.at_us);
  if (copy) return Event::syn_copy;
  count_up(h.dup_syns);
  return Event::dup_syn;
}

// Once the responder has answered, its SYN is an attempt of its own; before that the SYNs cross.
Event on_responder_syn(Handshake& h, const Step& s) noexcept {
  const bool again = is_crossed(h.phase) && s.sequence == h.responder_isn;
  const bool answered = h.phase == Phase::answered || h.phase == Phase::crossed_initiator_acked;
  if (answered && !again) return fail(h, Event::superseded);
  if (!again) {
    h.phase = Phase::crossed;
    h.responder_isn = h.other_responder_isn = s.sequence;
    h.synack_interface = s.interface;
  }
  h.last_answer_us = std::max(h.last_answer_us, s.at_us);
  return Event::progressed;
}

void first_synack(Handshake& h, const Step& s) noexcept {
  h.synack_interface = s.interface;
  h.last_answer_us = std::max(h.last_answer_us, s.at_us);
}

Event repeated_synack(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  if (s.interface != h.synack_interface) return Event::other_interface;
  const bool copy = is_copy(h.last_answer_us, s.at_us, window_us);
  h.last_answer_us = std::max(h.last_answer_us, s.at_us);
  if (copy) return Event::synack_copy;
  count_up(h.dup_synacks);
  return Event::dup_synack;
}

Event on_responder_synack(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  if (!acknowledges_syn(h, s.acknowledgment)) return Event::does_not_fit;
  if (h.phase == Phase::syn_sent) {
    h.phase = Phase::answered;
    h.responder_isn = h.other_responder_isn = s.sequence;
    first_synack(h, s);
    return Event::progressed;
  }
  if (is_responder_isn(h, s.sequence)) {
    const bool first = h.phase == Phase::crossed || h.phase == Phase::crossed_responder_acked;
    if (!first) return repeated_synack(h, s, window_us);
    first_synack(h, s);
    if (h.phase == Phase::crossed_responder_acked) return succeed(h, Event::success);
    h.phase = Phase::crossed_initiator_acked;
    return Event::progressed;
  }
  // Another responder, or the same one restarted: acceptable besides the first. It is a plain
  // answer even where SYNs had crossed.
  const bool first = h.phase == Phase::crossed || h.phase == Phase::crossed_responder_acked;
  if (first) h.synack_interface = s.interface;
  h.phase = Phase::answered;
  h.other_responder_isn = s.sequence;
  h.last_answer_us = std::max(h.last_answer_us, s.at_us);
  return Event::progressed;
}

// The initiator has acknowledged the SYN that crossed its own, and nothing more is known.
Event responder_acknowledged(Handshake& h, const Step& s) noexcept {
  h.last_answer_us = std::max(h.last_answer_us, s.at_us);
  h.phase = Phase::crossed_responder_acked;
  return Event::progressed;
}

Event on_initiator_synack(Handshake& h, const Step& s) noexcept {
  const bool crossed = h.phase != Phase::syn_sent && h.phase != Phase::answered;
  if (!crossed || s.sequence != h.isn || beyond(h.responder_isn, s.acknowledgment) != 0) {
    return Event::does_not_fit;
  }
  if (h.phase == Phase::crossed_initiator_acked) return succeed(h, Event::success);
  return responder_acknowledged(h, s);
}

bool fits_half_space(std::uint32_t isn, std::uint32_t number) noexcept {
  return beyond(isn, number) < kHalfSpace;
}

Event on_initiator_ack(Handshake& h, const Step& s) noexcept {
  if (h.phase == Phase::syn_sent) {
    const std::uint32_t sent = beyond(h.isn, s.sequence);
    if (sent == 0 || sent == h.syn_payload) return succeed(h, Event::success_half_seen);
    return Event::does_not_fit;
  }
  const bool fits = fits_half_space(h.isn, s.sequence) &&
                    (fits_half_space(h.responder_isn, s.acknowledgment) ||
                     fits_half_space(h.other_responder_isn, s.acknowledgment));
  if (!fits) return Event::does_not_fit;
  if (h.phase == Phase::crossed || h.phase == Phase::crossed_responder_acked) {
    return responder_acknowledged(h, s);
  }
  const bool completing =
      acknowledges_syn(h, s.sequence) && (beyond(h.responder_isn, s.acknowledgment) == 0 ||
                                          beyond(h.other_responder_isn, s.acknowledgment) == 0);
  return succeed(h, completing ? Event::success : Event::success_late);
}

// The responder proves that it has seen the completing ACK by sending what it would not send before it.
// With data on the SYN it may answer that data earlier (RFC 7413 section 4.2.2): then only acknowledging
// more than the SYN carried is proof.
bool proves_completion(const Handshake& h, const Step& s) noexcept {
  if (beyond(h.isn, s.acknowledgment) > h.syn_payload) return true;
  if (h.syn_payload != 0) return false;
  return s.payload != 0 || (s.flags & tcp_flag::fin) != 0 ||
         (beyond(h.responder_isn, s.sequence) != 0 &&
          beyond(h.other_responder_isn, s.sequence) != 0);
}

Event on_responder_ack(Handshake& h, const Step& s) noexcept {
  if (h.phase == Phase::syn_sent) return Event::does_not_fit;
  const bool fits = fits_half_space(h.isn, s.acknowledgment) &&
                    (fits_half_space(h.responder_isn, s.sequence) ||
                     fits_half_space(h.other_responder_isn, s.sequence));
  if (!fits) return Event::does_not_fit;
  if (proves_completion(h, s)) return succeed(h, Event::success_late);
  // SYNs crossed, and now both are acknowledged.
  if (h.phase == Phase::crossed_responder_acked) return succeed(h, Event::success);
  return Event::proves_nothing;
}

// RFC 9293 3.10.7.3: a RST answers the SYN if it acknowledges it; later it must sit at the next
// sequence number exactly (RFC 5961 section 3), or anyone could end attempts blindly.
Event on_rst(Handshake& h, const Step& s) noexcept {
  if (s.from_initiator) {
    return acknowledges_syn(h, s.sequence) ? fail(h, Event::aborted) : Event::blind_rst;
  }
  const bool ack_fits = (s.flags & tcp_flag::ack) != 0 && acknowledges_syn(h, s.acknowledgment);
  const bool seq_fits = knows_responder(h.phase) && is_responder_isn(h, s.sequence - 1);
  return ack_fits || seq_fits ? fail(h, Event::refused) : Event::blind_rst;
}

Event on_late_syn(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  const bool same = s.from_initiator ? s.sequence == h.isn
                                     : knows_responder(h.phase) && is_responder_isn(h, s.sequence);
  if (!same) return Event::reopened;
  if (!s.from_initiator) return Event::late_syn;
  const bool copy = is_copy(h.last_syn_us, s.at_us, window_us);
  h.last_syn_us = std::max(h.last_syn_us, s.at_us);
  return copy ? Event::syn_copy : Event::late_syn;
}

Event on_late_synack(Handshake& h, const Step& s, std::uint32_t window_us) noexcept {
  const bool repeated = !s.from_initiator && h.phase == Phase::succeeded &&
                        is_responder_isn(h, s.sequence) && acknowledges_syn(h, s.acknowledgment);
  if (!repeated) return Event::after_outcome;
  if (s.interface != h.synack_interface) return Event::other_interface;
  const bool copy = is_copy(h.last_answer_us, s.at_us, window_us);
  h.last_answer_us = std::max(h.last_answer_us, s.at_us);
  return copy ? Event::synack_copy : Event::late_synack;
}

}  // namespace

Event step(Handshake& h, const Step& s, std::uint32_t copy_window_us) noexcept {
  const bool pending = is_pending(h.phase);
  if (s.kind == SegmentKind::unreachable) {
    if (!pending) return Event::after_outcome;
    const bool ours = s.from_initiator && s.sequence == h.isn;
    return ours ? fail(h, Event::unreachable) : Event::foreign_icmp;
  }
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

void expire(Handshake& h) noexcept {
  close(h, Phase::failed, Phase::failed_unanswered);
}

}  // namespace tcpeek::flowtable
