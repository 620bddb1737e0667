// The rules of tcpeek(8), OUTCOMES, one by one.

#include "tests/flowtable/handshake_model.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "tests/flowtable/handshake_numbers.h"

namespace tcpeek::flowtable::test {
namespace {

constexpr std::int64_t kHourUs = 3'600'000'000;    // an attempt lives no longer
constexpr std::int64_t kDecidedUs = 1'000'000;     // a candidate waits no longer
constexpr std::int64_t kErrorFinalUs = 3'000'000;  // without a repeated SYN
constexpr std::int64_t kEarlyUs = 2'000;           // before its SYN
constexpr std::int64_t kByMailUs = 100'000;        // after it, by another way
constexpr std::int64_t kMostDuplicates = 255;      // as far as the tracker counts
constexpr std::int64_t kFastOpenAnswer = 65'536;   // what a server may send first

bool asks_for_ecn(const Packet& syn) {
  return has(syn, tcp_flag::ece) && has(syn, tcp_flag::cwr);
}
bool asks_for_fast_open(const Packet& syn) {
  return has(syn, tcp_flag::fast_open) || syn.payload > 0;
}

}  // namespace

std::vector<Told> HandshakeModel::take(const Pair& pair) {
  const auto it = told_.find(pair);
  if (it == told_.end()) return {};
  std::vector<Told> all = std::move(it->second);
  told_.erase(it);
  return all;
}

std::int64_t HandshakeModel::pending() const {
  return std::count_if(attempts_.begin(), attempts_.end(),
                       [](const auto& entry) { return !entry.second.attempt.cause; });
}

std::int64_t HandshakeModel::remembered() const {
  return static_cast<std::int64_t>(attempts_.size()) - pending();
}

void HandshakeModel::note_loss(std::int64_t until_us) {
  loss_until_us_ = std::max(loss_until_us_.value_or(until_us), until_us);
}

std::int64_t HandshakeModel::due_us(const Model& m) const {
  const std::int64_t latest_us = std::max({m.first_syn_us, m.last_syn_us, m.last_answer_us});
  const std::int64_t due =
      std::min(latest_us + std::min(config_.timeout_us, kHourUs), m.first_syn_us + kHourUs);
  return m.error_us ? std::min(due, *m.error_us + kErrorFinalUs) : due;
}

void HandshakeModel::up_to_date(Entry& e, std::int64_t now_us) {
  while (!e.attempt.cause) {
    const std::int64_t due = due_us(e.attempt);
    if (e.candidate && e.candidate->first_syn_us + kDecidedUs <= due &&
        e.candidate->first_syn_us + kDecidedUs <= now_us) {
      supersede(e, e.candidate->first_syn_us);
    } else if (due <= now_us) {
      time_out(e, due);
    } else {
      return;
    }
  }
}

void HandshakeModel::bring_up_to_date(std::int64_t now_us) {
  for (auto it = attempts_.begin(); it != attempts_.end();) {
    up_to_date(it->second, now_us);
    const Model& m = it->second.attempt;
    const bool forgotten = m.cause && m.forget_at_tick <= floor_ticks(now_us);
    it = forgotten ? attempts_.erase(it) : std::next(it);
  }
}

void HandshakeModel::finish(std::int64_t now_us) {
  for (auto& [pair, e] : attempts_) {
    up_to_date(e, now_us);
    if (!e.attempt.cause && e.candidate) supersede(e, e.candidate->first_syn_us);
    up_to_date(e, now_us);
    if (!e.attempt.cause && e.attempt.error_us) time_out(e, now_us);
  }
}

void HandshakeModel::on_packet(const Packet& p) {
  auto it = attempts_.find(pair_of(p));
  if (it != attempts_.end()) {
    up_to_date(it->second, p.at_us);
    const Model& m = it->second.attempt;
    if (m.cause && m.forget_at_tick <= floor_ticks(p.at_us)) {
      attempts_.erase(it);
      it = attempts_.end();
    }
  }
  if (it != attempts_.end()) return packet_of(it->second, p);
  if (is_syn(p)) return open(p);
  ignore(p.kind == SegmentKind::unreachable ? Ignored::foreign_icmp : Ignored::no_attempt, p);
}

void HandshakeModel::packet_of(Entry& e, const Packet& p) {
  if (e.attempt.cause) return after_outcome(e, p, p.source == e.attempt.initiator);
  if (e.candidate && about_candidate(e, p)) return;
  const bool from_initiator = p.source == e.attempt.initiator;
  if (e.attempt.cause) return after_outcome(e, p, from_initiator);
  if (p.kind == SegmentKind::unreachable) return pending_error(e, p, from_initiator);
  if (has(p, tcp_flag::rst)) return pending_rst(e, p, from_initiator);
  if (is_syn(p)) return pending_syn(e, p, from_initiator);
  if (is_synack(p)) return pending_synack(e, p, from_initiator);
  if (is_plain_ack(p)) return pending_ack(e, p, from_initiator);
  ignore(Ignored::does_not_fit, p);
}

HandshakeModel::Model HandshakeModel::begun(const Packet& syn) {
  Model m;
  m.initiator = syn.source;
  m.responder = syn.destination;
  m.isn = syn.sequence;
  m.syn_data = syn.payload;
  m.first_syn_us = m.last_syn_us = m.last_answer_us = syn.at_us;
  m.syn_interface = syn.interface;
  m.syn_print = syn.print;
  m.ecn_at_first = asks_for_ecn(syn);
  m.fast_open_at_first = asks_for_fast_open(syn);
  return m;
}

// Row "SYN: new attempt, if no live one has this 4-tuple".
void HandshakeModel::open(const Packet& p) {
  ++used;
  Entry e;
  e.attempt = begun(p);
  tell(about(e.attempt, Told::What::opened));
  attempts_[pair_of(p)] = e;
  apply_early(p);
}

// Row "captured up to 2 ms before its SYN".
void HandshakeModel::apply_early(const Packet& syn) {
  for (const std::int64_t taken : {std::int64_t{0}, std::int64_t{syn.payload}}) {
    const auto number = static_cast<std::uint32_t>(syn.sequence + 1 + taken);
    const auto it = early_.find({pair_of(syn), number});
    if (it == early_.end()) continue;
    Packet answer = it->second;
    const std::int64_t ahead_us = syn.at_us - answer.at_us;
    if (answer.source == syn.source || ahead_us > kEarlyUs || ahead_us < -kByMailUs) continue;
    early_.erase(it);
    answer.at_us = std::max(answer.at_us, syn.at_us);
    on_packet(answer);
    --used;
    return;
  }
}

// --- Pending ---

void HandshakeModel::pending_syn(Entry& e, const Packet& p, bool from_initiator) {
  Model& m = e.attempt;
  if (from_initiator) {
    if (p.sequence == m.isn) {
      if (p.interface != m.syn_interface) return ignore(Ignored::other_interface, p);
      const std::int64_t before = m.dup_syns + m.dup_synacks;
      repeat_syn(m, p);
      return tell_if_first_repetition(m, before);
    }
    return new_candidate(e, p);
  }
  const bool again = m.crossing_isn == p.sequence;
  if (!again && m.first_responder_isn) return new_candidate(e, p);
  if (!again && m.crossing_acknowledged) return ignore(Ignored::does_not_fit, p);
  ++used;
  if (again) {
    m.crossing_data = std::max<std::int64_t>(m.crossing_data, p.payload);
    if (m.first_responder_isn) m.answer_data = std::max<std::int64_t>(m.answer_data, p.payload);
    return;
  }
  m.crossing_isn = p.sequence;
  m.crossing_data = p.payload;
  m.crossing = p;
  m.synack_interface = p.interface;
  m.crossing_acknowledged = false;
}

void HandshakeModel::repeat_syn(Model& m, const Packet& p) {
  ++used;
  m.syn_data = std::max<std::int64_t>(m.syn_data, p.payload);
  if (p.print == m.syn_print && is_copy(p.at_us, m.last_syn_us)) {
    ++syn_copies;
  } else {
    m.dup_syns = std::min(m.dup_syns + 1, kMostDuplicates);
    m.syn_print = p.print;
    const bool answered = m.first_responder_isn || m.crossing_isn;
    if (answered || asks_for_ecn(p)) m.ecn_at_first = false;
    if (answered || asks_for_fast_open(p)) m.fast_open_at_first = false;
    m.error_us.reset();
    m.repeated_since_answer = true;
  }
  m.last_syn_us = p.at_us;
}

void HandshakeModel::pending_synack(Entry& e, const Packet& p, bool from_initiator) {
  if (from_initiator) return initiators_synack(e, p);
  Model& m = e.attempt;
  if (!acknowledges_syn(m, p)) return ignore(Ignored::does_not_fit, p);
  if (ahead(m.isn, p.acknowledgment) > 1) m.took_syn_data = true;
  const bool first = !m.first_responder_isn;
  const bool crossed = m.crossing_isn == p.sequence;
  const bool known = p.sequence == m.first_responder_isn || p.sequence == m.latest_responder_isn;
  m.answer_data = std::max<std::int64_t>(m.answer_data, p.payload);
  if (!first && known) return repeat_synack(m, p);

  if (is_own(m.responder)) own_synack_us_[m.responder.address] = p.at_us;
  ++used;
  m.last_answer_us = p.at_us;
  m.synack_print = p.print;
  m.repeated_since_answer = false;
  if (first) {
    m.synack_interface = p.interface;
    m.first_responder_isn = p.sequence;
    if (crossed) m.answer_data = std::max(m.answer_data, m.crossing_data);
    if (crossed && m.crossing_acknowledged) return end(e, Cause::none, p.at_us);
  } else {
    m.latest_responder_isn = p.sequence;
    m.error_us.reset();
  }
  if (!crossed) m.crossing_isn.reset();
}

// Where SYNs crossed, and where an end is connected to itself.
void HandshakeModel::initiators_synack(Entry& e, const Packet& p) {
  Model& m = e.attempt;
  if (p.sequence != m.isn) {
    const bool turned = !m.first_responder_isn && m.crossing_isn && !m.crossing_acknowledged &&
                        ahead(*m.crossing_isn + 1, p.acknowledgment) <= m.crossing_data;
    return turned ? turn_round(e, p) : ignore(Ignored::does_not_fit, p);
  }
  if (m.first_responder_isn) {
    if (past_responder(m, p.acknowledgment) > m.answer_data) {
      return ignore(Ignored::does_not_fit, p);
    }
    ++used;
    return end(e, Cause::none, p.at_us);
  }
  if (!m.crossing_isn) {
    if (m.initiator != m.responder || !acknowledges_syn(m, p))
      return ignore(Ignored::does_not_fit, p);
    ++used;
    m.first_responder_isn = m.isn;
    m.synack_interface = p.interface;
    m.synack_print = p.print;
    m.last_answer_us = p.at_us;
    return end(e, Cause::none, p.at_us);
  }
  if (ahead(*m.crossing_isn + 1, p.acknowledgment) > m.crossing_data) {
    return ignore(Ignored::does_not_fit, p);
  }
  ++used;
  m.crossing_acknowledged = true;
  m.last_answer_us = p.at_us;
}

void HandshakeModel::repeat_synack(Model& m, const Packet& p) {
  if (p.interface != m.synack_interface) return ignore(Ignored::other_interface, p);
  if (is_own(m.responder)) own_synack_us_[m.responder.address] = p.at_us;
  ++used;
  const std::int64_t before = m.dup_syns + m.dup_synacks;
  const bool copy =
      !m.repeated_since_answer && p.print == m.synack_print && is_copy(p.at_us, m.last_answer_us);
  if (copy) {
    ++synack_copies;
  } else {
    m.dup_synacks = std::min(m.dup_synacks + 1, kMostDuplicates);
  }
  tell_if_first_repetition(m, before);
  m.synack_print = p.print;
  m.repeated_since_answer = false;
  m.last_answer_us = p.at_us;
}

// "a pending attempt whose SYN or SYN/ACK had to be repeated is retrying"
void HandshakeModel::tell_if_first_repetition(const Model& m, std::int64_t repetitions_before) {
  const bool repeated = m.dup_syns + m.dup_synacks > 0;
  if (repetitions_before == 0 && repeated) tell(about(m, Told::What::retrying));
}

void HandshakeModel::misfit(Model& m, const Packet& p, Ignored reason) {
  m.misfits = std::min(m.misfits + 1, kMostMisfits);
  ignore(reason, p);
}

void HandshakeModel::pending_ack(Entry& e, const Packet& p, bool from_initiator) {
  Model& m = e.attempt;
  if (m.first_responder_isn) return from_initiator ? initiator_ack(e, p) : responder_ack(e, p);
  if (!from_initiator) {
    // "success when both are acknowledged, each exactly"
    const bool exact = m.crossing_isn && m.crossing_acknowledged && acknowledges_syn(m, p) &&
                       ahead(*m.crossing_isn, p.sequence) <= 1 + m.crossing_data;
    if (!exact) return misfit(m, p, Ignored::does_not_fit);
    ++used;
    m.first_responder_isn = m.crossing_isn;
    m.answer_data = m.crossing_data;
    m.repeated_since_outcome = true;
    return end(e, Cause::none, p.at_us);
  }
  const std::int64_t past = ahead(m.isn + 1, p.sequence);
  if (m.crossing_isn && past <= m.syn_data &&
      ahead(*m.crossing_isn + 1, p.acknowledgment) <= m.crossing_data) {
    ++used;
    m.crossing_acknowledged = true;
    m.last_answer_us = p.at_us;
    return;
  }
  // "the SYN/ACK was never captured, initiator's segment has seq = ISN + 1 and ACK set"; where
  // the SYN carried data that was taken, ISN + 1 + that data.
  if (past != 0 && past != m.syn_data) return misfit(m, p, Ignored::does_not_fit);
  if (would_have_been_seen(m, p.at_us)) return ignore(Ignored::unanswered_ack, p);
  ++used;
  end(e, Cause::none, p.at_us, false, true);
}

void HandshakeModel::initiator_ack(Entry& e, const Packet& p) {
  Model& m = e.attempt;
  const std::int64_t sent = ahead(m.isn + 1, p.sequence);
  const std::int64_t acknowledged = past_responder(m, p.acknowledgment);
  const std::int64_t exact_to = m.answer_data + (m.took_syn_data ? kFastOpenAnswer : 0);
  const bool exact = sent <= m.syn_data && acknowledged <= exact_to;
  const bool near = sent < kLateProof && acknowledged < kLateProof && m.misfits < kMostMisfits;
  if (!exact && !near) return misfit(m, p, Ignored::does_not_fit);
  ++used;
  end(e, Cause::none, p.at_us, !exact);
}

void HandshakeModel::responder_ack(Entry& e, const Packet& p) {
  Model& m = e.attempt;
  const std::int64_t acknowledged = ahead(m.isn + 1, p.acknowledgment);
  const std::int64_t sent = past_responder(m, p.sequence);
  if (acknowledged >= kLateProof || sent >= kLateProof) {
    return misfit(m, p, Ignored::does_not_fit);
  }
  const bool says_more = p.payload > 0 || has(p, tcp_flag::fin) || sent != 0;
  if (acknowledged <= m.syn_data && (!says_more || m.syn_data != 0)) {
    return ignore(Ignored::proves_nothing, p);
  }
  if (m.misfits == kMostMisfits) return ignore(Ignored::does_not_fit, p);
  ++used;
  end(e, Cause::none, p.at_us, true);
}

// "RST or RST/ACK from the responder whose ack or seq fits", "RST from the initiator, seq fitting".
bool HandshakeModel::rst_decides(const Model& m, const Packet& p, Cause& cause) const {
  const bool acks = has(p, tcp_flag::ack);
  if (p.source == m.initiator) {
    cause = Cause::aborted;
    if (m.first_responder_isn && !acks) cause = Cause::half_open;
    if (m.first_responder_isn && acks && past_responder(m, p.acknowledgment) <= m.answer_data)
      cause = Cause::probe;
    return ahead(m.isn + 1, p.sequence) <= m.syn_data;
  }
  cause = m.first_responder_isn ? Cause::reset : Cause::refused;
  if (acks && acknowledges_syn(m, p)) return true;
  return m.first_responder_isn && past_responder(m, p.sequence) <= m.answer_data;
}

void HandshakeModel::pending_rst(Entry& e, const Packet& p, bool from_initiator) {
  Model& m = e.attempt;
  if (over_before(m, p, from_initiator)) {
    ++used;
    return end(e, Cause::none, p.at_us, true);
  }
  Cause cause{};
  if (rst_decides(m, p, cause)) {
    ++used;
    if (m.error_us) return end(e, Cause::unreachable, *m.error_us);
    return end(e, cause, p.at_us);
  }
  if (has(p, tcp_flag::ack)) return misfit(m, p, Ignored::blind_rst);
  ignore(Ignored::blind_rst, p);
}

void HandshakeModel::pending_error(Entry& e, const Packet& p, bool from_initiator) {
  Model& m = e.attempt;
  if (!from_initiator) {
    const bool way_back = m.first_responder_isn && (p.sequence == m.first_responder_isn ||
                                                    p.sequence == m.latest_responder_isn);
    return ignore(way_back ? Ignored::icmp_about_synack : Ignored::foreign_icmp, p);
  }
  if (p.sequence != m.isn || m.latest_responder_isn) return ignore(Ignored::foreign_icmp, p);
  ++used;
  m.error_us = std::max(p.at_us, m.first_syn_us);
}

}  // namespace tcpeek::flowtable::test
