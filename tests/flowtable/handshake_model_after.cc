// The model's second half: what ends an attempt, and what is made of segments after that.

#include <algorithm>

#include "tests/flowtable/handshake_model.h"
#include "tests/flowtable/handshake_numbers.h"

namespace tcpeek::flowtable::test {

void HandshakeModel::after_outcome(Entry& e, const Packet& p, bool from_initiator) {
  if (is_syn(p)) return syn_after_outcome(e, p, from_initiator);
  if (is_synack(p) && !from_initiator) return late_synack(e, p);
  ignore(Ignored::after_outcome, p);
}

void HandshakeModel::syn_after_outcome(Entry& e, const Packet& p, bool from_initiator) {
  Model& m = e.attempt;
  if (!from_initiator) {
    const bool known = p.sequence == m.first_responder_isn ||
                       p.sequence == m.latest_responder_isn || p.sequence == m.crossing_isn;
    if (!known) return open(p);
    ++used;
    ++late_syns;
    return;
  }
  if (p.sequence != m.isn) return open(p);
  late_syn(m, p);
}

// The same SYN after the outcome opens nothing; after a failure it may be answered yet.
void HandshakeModel::late_syn(Model& m, const Packet& p) {
  ++used;
  if (p.interface != m.syn_interface) {
    ++late_syns;
  } else if (p.print == m.syn_print && is_copy(p.at_us, m.last_syn_us)) {
    ++syn_copies;
  } else {
    ++late_syns;
    m.syn_print = p.print;
    m.syn_data = std::max<std::int64_t>(m.syn_data, p.payload);
    m.repeated_since_outcome = true;
    m.repeated_us = p.at_us;
  }
  if (p.interface == m.syn_interface) m.last_syn_us = p.at_us;
}

void HandshakeModel::late_synack(Entry& e, const Packet& p) {
  Model& m = e.attempt;
  if (!acknowledges_syn(m, p)) return ignore(Ignored::after_outcome, p);
  if (m.cause != Cause::none) {
    if (!m.repeated_since_outcome) return ignore(Ignored::after_outcome, p);
    // "one that is then answered by a fitting SYN/ACK is an attempt of its own"
    Packet syn;
    syn.source = m.initiator;
    syn.destination = m.responder;
    syn.sequence = static_cast<std::uint32_t>(m.isn);
    syn.payload = static_cast<std::uint16_t>(m.syn_data);
    syn.at_us = m.repeated_us;
    syn.interface = m.syn_interface;
    syn.print = m.syn_print;
    e.attempt = begun(syn);
    e.attempt.fast_open_at_first = false;  // what it asked for is not kept
    tell(about(e.attempt, Told::What::opened));
    return on_packet(p);
  }
  const bool known = p.sequence == m.first_responder_isn || p.sequence == m.latest_responder_isn;
  if (!known) return ignore(Ignored::after_outcome, p);
  if (p.interface != m.synack_interface) return ignore(Ignored::other_interface, p);
  ++used;
  const bool copy =
      !m.repeated_since_outcome && p.print == m.synack_print && is_copy(p.at_us, m.last_answer_us);
  if (copy) {
    ++synack_copies;
  } else {
    tell(about(m, Told::What::late_synack));
  }
  if (is_own(m.responder)) own_synack_us_[m.responder.address] = p.at_us;
  m.synack_print = p.print;
  m.repeated_since_outcome = false;
  m.last_answer_us = p.at_us;
}

void HandshakeModel::time_out(Entry& e, std::int64_t at_us) {
  const Model& m = e.attempt;
  if (m.error_us) return end(e, Cause::unreachable, *m.error_us);
  end(e, m.first_responder_isn ? Cause::no_ack : Cause::no_answer, at_us);
}

void HandshakeModel::supersede(Entry& e, std::int64_t at_us) {
  const Model& m = e.attempt;
  if (m.error_us) return end(e, Cause::unreachable, *m.error_us);
  end(e, Cause::superseded, at_us);
}

void HandshakeModel::end(Entry& e, Cause cause, std::int64_t at_us, bool late_proof,
                         bool half_seen) {
  Model& m = e.attempt;
  m.cause = cause;
  m.forget_at_tick = ceil_ticks(at_us + config_.remember_us);
  Told told = about(m, Told::What::ended);
  told.cause = cause;
  told.at_us = at_us;
  told.half_seen = half_seen;
  told.late_proof = late_proof;
  const bool timeout =
      cause == Cause::no_answer || cause == Cause::no_ack || cause == Cause::superseded;
  const bool lost = loss_until_us_ && *loss_until_us_ >= m.first_syn_us;
  told.uncertain = timeout && (lost || m.misfits > 0);
  told.dup_syns = m.dup_syns;
  told.dup_synacks = m.dup_synacks;
  told.ecn_at_first = m.ecn_at_first;
  told.fast_open_at_first = m.fast_open_at_first;
  tell(told);
  if (!e.candidate) return;
  if (cause != Cause::none) return next_turn(e);
  e.candidate.reset();
  ++stray_syns;
}

bool HandshakeModel::is_own(const Endpoint& end) const {
  return std::find(config_.own.begin(), config_.own.end(), end.address) != config_.own.end();
}

// "SYN/ACKs of that address were captured in the last minute and no packet was lost since the SYN"
bool HandshakeModel::would_have_been_seen(const Model& m, std::int64_t now_us) const {
  if (!is_own(m.responder) || loss_until_us_.value_or(m.first_syn_us - 1) >= m.first_syn_us) {
    return false;
  }
  const auto it = own_synack_us_.find(m.responder.address);
  return it != own_synack_us_.end() && now_us <= it->second + 60'000'000;
}

Told HandshakeModel::about(const Model& m, Told::What what) {
  Told told;
  told.what = what;
  told.initiator = m.initiator;
  told.responder = m.responder;
  told.first_syn_us = m.first_syn_us;
  told.isn = m.isn;
  return told;
}

void HandshakeModel::tell(const Told& told) {
  told_[pair_of(told.initiator, told.responder)].push_back(told);
}

// What moved no attempt may be the answer to a SYN that was captured after it.
void HandshakeModel::ignore(Ignored reason, const Packet& p) {
  ++ignored[reason];
  const bool answers = p.kind == SegmentKind::tcp && has(p, tcp_flag::ack) &&
                       (has(p, tcp_flag::syn) || has(p, tcp_flag::rst));
  if (answers) early_[{pair_of(p), p.acknowledgment}] = p;
}

// "Within 2 ms of the one before it (0 turns it off)", whichever of them the capture put first.
bool HandshakeModel::is_copy(std::int64_t now_us, std::int64_t before_us) const {
  return config_.copy_window_us > 0 && std::abs(now_us - before_us) <= config_.copy_window_us;
}

}  // namespace tcpeek::flowtable::test
