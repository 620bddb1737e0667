// The model's arithmetic: distances on the circle of sequence numbers in 64 bits, kinds of segments by
// their flags, and the tracker's coarse time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {

// How far `b` is ahead of `a` on the circle of sequence numbers.
inline std::int64_t ahead(std::int64_t a, std::int64_t b) {
  constexpr std::int64_t kWrap = 4'294'967'296;  // 2^32
  std::int64_t difference = b - a;
  while (difference < 0) difference += kWrap;
  while (difference >= kWrap) difference -= kWrap;
  return difference;
}

inline constexpr std::int64_t kTickNs = 2'097'152;

inline std::int64_t floor_ticks(std::int64_t us) {
  const std::int64_t ns = us * 1000;
  std::int64_t ticks = ns / kTickNs;
  if (ticks * kTickNs > ns) --ticks;
  return ticks;
}

inline std::int64_t ceil_ticks(std::int64_t us) {
  const std::int64_t ticks = floor_ticks(us);
  return ticks * kTickNs == us * 1000 ? ticks : ticks + 1;
}

inline bool has(const Packet& p, std::uint8_t flag) {
  return (p.flags & flag) != 0;
}

inline bool is_syn(const Packet& p) {
  return p.kind == SegmentKind::tcp && has(p, tcp_flag::syn) && !has(p, tcp_flag::ack) &&
         !has(p, tcp_flag::rst) && !has(p, tcp_flag::fin);
}

inline bool is_synack(const Packet& p) {
  return p.kind == SegmentKind::tcp && has(p, tcp_flag::syn) && has(p, tcp_flag::ack) &&
         !has(p, tcp_flag::rst) && !has(p, tcp_flag::fin);
}

inline bool is_plain_ack(const Packet& p) {
  return p.kind == SegmentKind::tcp && has(p, tcp_flag::ack) && !has(p, tcp_flag::syn) &&
         !has(p, tcp_flag::rst);
}

// "ack lies in (ISN, ISN + 1 + SYN payload]"
template <class Attempt>
bool acknowledges_syn(const Attempt& m, const Packet& p) {
  const std::int64_t past = ahead(m.isn, p.acknowledgment);
  return past >= 1 && past <= 1 + m.syn_data;
}

// How far a number lies beyond the responder's SYN; of two responders, beyond the nearer one's.
template <class Attempt>
std::int64_t past_responder(const Attempt& m, std::int64_t number) {
  std::int64_t past = ahead(*m.first_responder_isn + 1, number);
  if (m.latest_responder_isn) {
    past = std::min(past, ahead(*m.latest_responder_isn + 1, number));
  }
  return past;
}

inline constexpr std::int64_t kLateProof = 16'777'216;  // 2^24
inline constexpr int kMostMisfits = 4;

// "RST with ACK, of either side, whose numbers fit both ISNs within the bounds above and lie strictly
// beyond the SYN and its payload on at least one side"
template <class Attempt>
bool over_before(const Attempt& m, const Packet& p, bool from_initiator) {
  if (!has(p, tcp_flag::ack) || !m.first_responder_isn || m.misfits == kMostMisfits) return false;
  const std::int64_t sent = ahead(m.isn + 1, from_initiator ? p.sequence : p.acknowledgment);
  const std::int64_t answered = past_responder(m, from_initiator ? p.acknowledgment : p.sequence);
  return sent < kLateProof && answered < kLateProof &&
         (sent > m.syn_data || answered > m.answer_data);
}

}  // namespace tcpeek::flowtable::test
