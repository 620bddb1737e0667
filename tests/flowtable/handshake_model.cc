// SPEC section 1, row by row.

#include "tests/flowtable/handshake_model.h"

#include <algorithm>
#include <iterator>

namespace tcpeek::flowtable::test {
namespace {

constexpr std::int64_t kWrap = 4'294'967'296;     // 2^32
constexpr std::int64_t kHalf = 2'147'483'648;     // 2^31
constexpr std::int64_t kHourUs = 3'600'000'000;   // an attempt lives no longer
constexpr std::int64_t kTickNs = 2'097'152;       // the tracker's coarse time
constexpr std::int64_t kMostDuplicates = 65'535;  // as far as the tracker counts

// How far `b` is ahead of `a` on the circle of sequence numbers.
std::int64_t ahead(std::int64_t a, std::int64_t b) {
  std::int64_t difference = b - a;
  while (difference < 0) difference += kWrap;
  while (difference >= kWrap) difference -= kWrap;
  return difference;
}

std::int64_t floor_ticks(std::int64_t us) {
  const std::int64_t ns = us * 1000;
  std::int64_t ticks = ns / kTickNs;
  if (ticks * kTickNs > ns) --ticks;
  return ticks;
}

std::int64_t ceil_ticks(std::int64_t us) {
  const std::int64_t ticks = floor_ticks(us);
  return ticks * kTickNs == us * 1000 ? ticks : ticks + 1;
}

bool has(const Packet& p, std::uint8_t flag) {
  return (p.flags & flag) != 0;
}

bool is_syn(const Packet& p) {
  return p.kind == SegmentKind::tcp && has(p, tcp_flag::syn) && !has(p, tcp_flag::ack) &&
         !has(p, tcp_flag::rst) && !has(p, tcp_flag::fin);
}

bool is_synack(const Packet& p) {
  return p.kind == SegmentKind::tcp && has(p, tcp_flag::syn) && has(p, tcp_flag::ack) &&
         !has(p, tcp_flag::rst) && !has(p, tcp_flag::fin);
}

bool is_plain_ack(const Packet& p) {
  return p.kind == SegmentKind::tcp && has(p, tcp_flag::ack) && !has(p, tcp_flag::syn) &&
         !has(p, tcp_flag::rst);
}

// "ack lies in (ISN, ISN + 1 + SYN payload]"
bool acknowledges_syn(std::int64_t isn, std::int64_t syn_data, const Packet& p) {
  const std::int64_t past = ahead(isn, p.acknowledgment);
  return past >= 1 && past <= 1 + syn_data;
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
                       [](const auto& entry) { return !entry.second.cause; });
}

std::int64_t HandshakeModel::remembered() const {
  return static_cast<std::int64_t>(attempts_.size()) - pending();
}

void HandshakeModel::note_loss(std::int64_t until_us) {
  loss_until_us_ = std::max(loss_until_us_.value_or(until_us), until_us);
}

std::int64_t HandshakeModel::due_us(const Model& m) const {
  return std::min(m.latest_us + std::min(config_.timeout_us, kHourUs), m.first_syn_us + kHourUs);
}

void HandshakeModel::bring_up_to_date(std::int64_t now_us) {
  for (auto it = attempts_.begin(); it != attempts_.end();) {
    Model& m = it->second;
    if (!m.cause && due_us(m) <= now_us) time_out(m, due_us(m));
    const bool forgotten = m.cause && m.forget_at_tick <= floor_ticks(now_us);
    it = forgotten ? attempts_.erase(it) : std::next(it);
  }
}

void HandshakeModel::on_packet(const Packet& p) {
  const Pair pair = pair_of(p);
  auto it = attempts_.find(pair);
  if (it != attempts_.end()) {
    Model& m = it->second;
    if (!m.cause && due_us(m) <= p.at_us) time_out(m, due_us(m));
    if (m.cause && m.forget_at_tick <= floor_ticks(p.at_us)) {
      attempts_.erase(it);
      it = attempts_.end();
    }
  }
  if (it == attempts_.end()) {
    if (is_syn(p)) return open(p);
    return ignore(p.kind == SegmentKind::unreachable ? Ignored::foreign_icmp : Ignored::no_attempt);
  }

  Model& m = it->second;
  const bool from_initiator = p.source == m.initiator;
  if (m.cause) return after_outcome(m, p, from_initiator);
  if (p.kind == SegmentKind::unreachable) return pending_unreachable(m, p, from_initiator);
  if (has(p, tcp_flag::rst)) return pending_rst(m, p, from_initiator);
  if (is_syn(p)) return pending_syn(m, p, from_initiator);
  if (is_synack(p)) return pending_synack(m, p, from_initiator);
  if (is_plain_ack(p)) return pending_ack(m, p, from_initiator);
  ignore(Ignored::does_not_fit);
}

// Row "SYN: new attempt, if no live one has this 4-tuple".
void HandshakeModel::open(const Packet& p) {
  ++used;
  Model m;
  m.initiator = p.source;
  m.responder = p.destination;
  m.isn = p.sequence;
  m.syn_data = p.payload;
  m.first_syn_us = p.at_us;
  m.latest_us = p.at_us;
  m.last_syn_us = p.at_us;
  m.last_answer_us = p.at_us;
  m.syn_interface = p.interface;
  tell(about(m, Told::What::opened));
  attempts_[pair_of(p)] = m;
}

// A handshake segment: the timeout starts again.
void HandshakeModel::touch(Model& m, const Packet& p) {
  ++used;
  m.latest_us = std::max(m.latest_us, clamped(m, p));
}

void HandshakeModel::pending_syn(Model& m, const Packet& p, bool from_initiator) {
  if (from_initiator) {
    if (p.sequence == m.isn) return repeat_syn(m, p);
    time_out(m, p.at_us);
    return open(p);
  }
  // The SYN that crossed may come again; any other, once the responder has answered, is new.
  const bool again = m.crossed && p.sequence == m.first_responder_isn;
  if (m.synack_seen && !again) {
    time_out(m, p.at_us);
    return open(p);
  }
  touch(m, p);
  m.last_answer_us = std::max(m.last_answer_us, clamped(m, p));
  if (again) return;
  m.crossed = true;
  m.responder_acknowledged = false;
  m.first_responder_isn = p.sequence;
  m.synack_interface = p.interface;
}

void HandshakeModel::repeat_syn(Model& m, const Packet& p) {
  if (p.interface != m.syn_interface) return ignore(Ignored::other_interface);
  touch(m, p);
  m.syn_data = std::max<std::int64_t>(m.syn_data, p.payload);
  if (is_copy(clamped(m, p), m.last_syn_us)) {
    ++syn_copies;
  } else {
    m.dup_syns = std::min(m.dup_syns + 1, kMostDuplicates);
  }
  m.last_syn_us = std::max(m.last_syn_us, clamped(m, p));
}

void HandshakeModel::pending_synack(Model& m, const Packet& p, bool from_initiator) {
  if (from_initiator) return crossing_synack(m, p);
  if (!acknowledges_syn(m.isn, m.syn_data, p)) return ignore(Ignored::does_not_fit);
  const bool known = p.sequence == m.first_responder_isn || p.sequence == m.latest_responder_isn;
  if (m.synack_seen && known) return repeat_synack(m, p);

  touch(m, p);
  m.last_answer_us = std::max(m.last_answer_us, clamped(m, p));
  if (!m.synack_seen) m.synack_interface = p.interface;
  m.synack_seen = true;
  if (!m.first_responder_isn) {
    m.first_responder_isn = p.sequence;
  } else if (!known) {
    m.latest_responder_isn = p.sequence;
    m.crossed = false;
  }
  if (m.crossed && m.responder_acknowledged) end(m, Cause::none, p.at_us);
}

// Only where SYNs crossed does the initiator send a SYN/ACK.
void HandshakeModel::crossing_synack(Model& m, const Packet& p) {
  const bool fits =
      m.crossed && p.sequence == m.isn && ahead(*m.first_responder_isn, p.acknowledgment) == 1;
  if (!fits) return ignore(Ignored::does_not_fit);
  touch(m, p);
  if (m.synack_seen) return end(m, Cause::none, p.at_us);
  m.responder_acknowledged = true;
  m.last_answer_us = std::max(m.last_answer_us, clamped(m, p));
}

void HandshakeModel::repeat_synack(Model& m, const Packet& p) {
  if (p.interface != m.synack_interface) return ignore(Ignored::other_interface);
  touch(m, p);
  if (is_copy(clamped(m, p), m.last_answer_us)) {
    ++synack_copies;
  } else {
    m.dup_synacks = std::min(m.dup_synacks + 1, kMostDuplicates);
  }
  m.last_answer_us = std::max(m.last_answer_us, clamped(m, p));
}

void HandshakeModel::pending_ack(Model& m, const Packet& p, bool from_initiator) {
  if (!m.first_responder_isn) {
    // "the SYN/ACK was never captured, initiator's segment has seq = ISN + 1 and ACK set"; where
    // the SYN carried data that was taken, ISN + 1 + that data.
    const std::int64_t past = ahead(m.isn + 1, p.sequence);
    if (!from_initiator || (past != 0 && past != m.syn_data)) return ignore(Ignored::does_not_fit);
    touch(m, p);
    m.half_seen = true;
    return end(m, Cause::none, p.at_us);
  }
  return from_initiator ? initiator_ack(m, p) : responder_ack(m, p);
}

void HandshakeModel::initiator_ack(Model& m, const Packet& p) {
  const std::int64_t sent = ahead(m.isn + 1, p.sequence);
  bool fits = false;
  bool exact = false;
  for (const auto& isn : {m.first_responder_isn, m.latest_responder_isn}) {
    if (!isn || sent >= kHalf || ahead(*isn + 1, p.acknowledgment) >= kHalf) continue;
    fits = true;
    if (sent <= m.syn_data && ahead(*isn + 1, p.acknowledgment) == 0) exact = true;
  }
  if (!fits) return ignore(Ignored::does_not_fit);
  touch(m, p);
  if (m.crossed && !m.synack_seen) {
    m.responder_acknowledged = true;
    m.last_answer_us = std::max(m.last_answer_us, clamped(m, p));
    return;
  }
  end(m, Cause::none, p.at_us, !exact);
}

void HandshakeModel::responder_ack(Model& m, const Packet& p) {
  const std::int64_t acknowledged = ahead(m.isn + 1, p.acknowledgment);
  bool fits = false;
  bool bare_number = false;
  for (const auto& isn : {m.first_responder_isn, m.latest_responder_isn}) {
    if (!isn) continue;
    if (acknowledged < kHalf && ahead(*isn + 1, p.sequence) < kHalf) fits = true;
    if (ahead(*isn + 1, p.sequence) == 0) bare_number = true;
  }
  if (!fits) return ignore(Ignored::does_not_fit);
  const bool says_more = p.payload > 0 || has(p, tcp_flag::fin) || !bare_number;
  if (acknowledged > m.syn_data || (says_more && m.syn_data == 0)) {
    touch(m, p);
    return end(m, Cause::none, p.at_us, true);
  }
  if (!m.crossed || !m.responder_acknowledged) return ignore(Ignored::proves_nothing);
  // Simultaneous open: now both SYNs are acknowledged.
  touch(m, p);
  end(m, Cause::none, p.at_us);
}

void HandshakeModel::pending_rst(Model& m, const Packet& p, bool from_initiator) {
  if (from_initiator) {
    const std::int64_t past = ahead(m.isn + 1, p.sequence);
    if (past > m.syn_data) return ignore(Ignored::blind_rst);
    touch(m, p);
    return end(m, Cause::aborted, p.at_us);
  }
  const bool ack_fits = has(p, tcp_flag::ack) && acknowledges_syn(m.isn, m.syn_data, p);
  const bool seq_fits = (m.first_responder_isn && ahead(*m.first_responder_isn, p.sequence) == 1) ||
                        (m.latest_responder_isn && ahead(*m.latest_responder_isn, p.sequence) == 1);
  if (!ack_fits && !seq_fits) return ignore(Ignored::blind_rst);
  touch(m, p);
  end(m, Cause::refused, p.at_us);
}

void HandshakeModel::pending_unreachable(Model& m, const Packet& p, bool from_initiator) {
  if (!from_initiator || p.sequence != m.isn) return ignore(Ignored::foreign_icmp);
  touch(m, p);
  end(m, Cause::unreachable, p.at_us);
}

void HandshakeModel::after_outcome(Model& m, const Packet& p, bool from_initiator) {
  const bool known = p.sequence == m.first_responder_isn || p.sequence == m.latest_responder_isn;
  if (is_syn(p)) {
    if (from_initiator ? p.sequence != m.isn : !known) return open(p);
    ++used;
    if (from_initiator && is_copy(clamped(m, p), m.last_syn_us)) {
      ++syn_copies;
    } else {
      ++late_syns;
    }
    if (from_initiator) m.last_syn_us = std::max(m.last_syn_us, clamped(m, p));
    return;
  }
  const bool late_synack = is_synack(p) && !from_initiator && m.cause == Cause::none && known &&
                           acknowledges_syn(m.isn, m.syn_data, p);
  if (!late_synack) return ignore(Ignored::after_outcome);
  if (p.interface != m.synack_interface) return ignore(Ignored::other_interface);
  ++used;
  if (is_copy(clamped(m, p), m.last_answer_us)) {
    ++synack_copies;
  } else {
    tell(about(m, Told::What::late_synack));
  }
  m.last_answer_us = std::max(m.last_answer_us, clamped(m, p));
}

void HandshakeModel::time_out(Model& m, std::int64_t at_us) {
  end(m, m.synack_seen ? Cause::no_ack : Cause::no_answer, at_us);
}

void HandshakeModel::end(Model& m, Cause cause, std::int64_t at_us, bool late_proof) {
  m.cause = cause;
  m.forget_at_tick = ceil_ticks(at_us + config_.remember_us);
  Told told = about(m, Told::What::ended);
  told.cause = cause;
  told.at_us = at_us;
  told.half_seen = m.half_seen;
  told.late_proof = late_proof;
  const bool timeout = cause == Cause::no_answer || cause == Cause::no_ack;
  told.uncertain = timeout && loss_until_us_ && *loss_until_us_ >= m.first_syn_us;
  told.dup_syns = m.dup_syns;
  told.dup_synacks = m.dup_synacks;
  tell(told);
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

// "Within 2 ms of the one before it (0 turns it off)"; captures turn the order round a little.
bool HandshakeModel::is_copy(std::int64_t now_us, std::int64_t before_us) const {
  return config_.copy_window_us > 0 && now_us - before_us <= config_.copy_window_us;
}

std::int64_t HandshakeModel::clamped(const Model& m, const Packet& p) {
  return std::max(p.at_us, m.first_syn_us);
}

}  // namespace tcpeek::flowtable::test
