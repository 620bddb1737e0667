// The model's row about candidates: a SYN with another ISN while the attempt is pending.

#include <algorithm>

#include "tests/flowtable/handshake_model.h"
#include "tests/flowtable/handshake_numbers.h"

namespace tcpeek::flowtable::test {

void HandshakeModel::new_candidate(Entry& e, const Packet& p) {
  if (e.candidate) {  // a third ISN
    supersede(e, e.candidate->first_syn_us);
    return on_packet(p);
  }
  ++used;
  e.candidate = begun(p);
  e.candidates_end.reset();
  apply_early(p);
}

bool HandshakeModel::about_candidate(Entry& e, const Packet& p) {
  Model& c = *e.candidate;
  const bool from_its_initiator = p.source == c.initiator;
  if (p.kind == SegmentKind::unreachable) {
    if (!from_its_initiator || p.sequence != c.isn || e.candidates_end) return false;
    ++used;
    c.error_us = std::max(p.at_us, c.first_syn_us);
    return true;
  }
  if (is_syn(p)) {
    if (!from_its_initiator || p.sequence != c.isn) return false;
    if (!e.candidates_end) {
      if (p.interface == c.syn_interface) {
        repeat_syn(c, p);
      } else {
        ignore(Ignored::other_interface, p);
      }
    } else {
      late_syn(c, p);
    }
    return true;
  }
  if (!is_synack(p)) return ends_candidate(e, p);
  if (p.source != e.attempt.initiator && acknowledges_syn(e.attempt, p)) {
    e.candidate.reset();
    ++stray_syns;
  } else if (!from_its_initiator && acknowledges_syn(c, p)) {
    supersede(e, c.first_syn_us);
  }
  return false;
}

bool HandshakeModel::ack_decides(Entry e, const Packet& ack) const {
  HandshakeModel scratch(config_);
  e.candidate.reset();
  scratch.pending_ack(e, ack, ack.source == e.attempt.initiator);
  return e.attempt.cause.has_value();
}

// What would end the candidate and does not end the attempt.
bool HandshakeModel::ends_candidate(Entry& e, const Packet& p) {
  const Model& c = *e.candidate;
  const Model& m = e.attempt;
  Ending ending{Cause::none, p.at_us, true};
  if (has(p, tcp_flag::rst) && p.kind == SegmentKind::tcp) {
    if (over_before(m, p, p.source == m.initiator) || rst_decides(m, p, ending.cause)) return false;
    if (!rst_decides(c, p, ending.cause)) return false;
    ending.half_seen = false;
    if (c.error_us) ending = {Cause::unreachable, *c.error_us, false};
  } else {
    const std::int64_t past = ahead(c.isn + 1, p.sequence);
    const bool fits = is_plain_ack(p) && p.source == c.initiator && !is_own(m.responder) &&
                      (past == 0 || past == c.syn_data);
    if (!fits || ack_decides(e, p)) return false;
  }
  ++used;
  if (!e.candidates_end) e.candidates_end = ending;
  return true;
}

// The attempt has failed: it is the candidate's turn.
void HandshakeModel::next_turn(Entry& e) {
  const auto ending = e.candidates_end;
  e.attempt = *e.candidate;
  e.candidate.reset();
  tell(about(e.attempt, Told::What::opened));
  if (ending) end(e, ending->cause, ending->at_us, false, ending->half_seen);
}

// A SYN/ACK of the first sender, with another number than its SYN's, acknowledges the SYN that crossed:
// the first SYN was forged.
void HandshakeModel::turn_round(Entry& e, const Packet& synack) {
  Packet syn = e.attempt.crossing;
  syn.payload = static_cast<std::uint16_t>(e.attempt.crossing_data);
  if (e.candidate) ++stray_syns;
  e.candidate.reset();
  supersede(e, syn.at_us);
  e.attempt = begun(syn);
  e.attempt.ecn_at_first = e.attempt.fast_open_at_first = false;  // not kept
  tell(about(e.attempt, Told::What::opened));
  on_packet(synack);
}

}  // namespace tcpeek::flowtable::test
