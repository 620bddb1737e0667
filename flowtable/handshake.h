// The handshake state machine: what one attempt makes of one segment. No table, no clock, no I/O.
//
// step() is a pure function of (handshake, segment): the same pair gives the same event and the
// same new state on any thread, live or replayed. Sequence numbers compare modulo 2^32 (RFC 9293
// section 3.4). Times are microseconds since the attempt's first SYN; the tracker ends attempts
// before these can wrap.
//
// Source: SPEC section 1 row by row; RFC 9293 sections 3.5 (simultaneous open) and 3.10.7.3 (which
// RST ends a SYN-SENT), RFC 7413 (data on SYN).
//
// Thread contract: plain values.
#pragma once

#include <cstdint>
#include <type_traits>

#include "flowtable/segment.h"

namespace tcpeek::flowtable {

enum class Phase : std::uint8_t {
  syn_sent,
  answered,                 // a fitting SYN/ACK was seen
  crossed,                  // SYNs crossed, neither acknowledged
  crossed_initiator_acked,  // ... the responder has acknowledged the initiator's
  crossed_responder_acked,  // ... the initiator has acknowledged the responder's
  succeeded,                // from here on the attempt has its outcome and is only remembered
  succeeded_half_seen,      // no SYN/ACK was captured: the responder's ISN is not known
  failed,                   // the responder's ISN is known
  failed_unanswered,
};

[[nodiscard]] constexpr bool is_pending(Phase p) noexcept {
  return p < Phase::succeeded;
}

enum class Event : std::uint8_t {
  progressed,  // a new SYN/ACK, a crossing SYN: nothing to count
  dup_syn,     // the initiator sent its SYN again
  syn_copy,    // the capture delivered the SYN again
  dup_synack,
  synack_copy,
  // Outcomes.
  success,
  success_half_seen,  // the SYN/ACK was never captured
  success_late,       // proved by a segment after the completing ACK
  refused,
  aborted,
  unreachable,
  superseded,  // by a SYN that begins another attempt: this one timed out
  // After the outcome.
  reopened,     // a SYN that begins another attempt
  late_syn,     // the SYN once more
  late_synack,  // the SYN/ACK once more after success: the responder drops ACKs
  // No state change.
  does_not_fit,     // wrong sequence or acknowledgment number
  proves_nothing,   // fits, and says no more than the SYN/ACK did
  blind_rst,        // a RST that fits neither way
  foreign_icmp,     // an ICMP error that quotes another segment
  other_interface,  // a repetition seen on another interface than the first
  after_outcome,
};

[[nodiscard]] constexpr bool is_outcome(Event e) noexcept {
  return e >= Event::success && e <= Event::superseded;
}
[[nodiscard]] constexpr bool is_ignored(Event e) noexcept {
  return e >= Event::does_not_fit;
}

struct Handshake {
  std::uint32_t isn = 0;
  std::uint32_t responder_isn = 0;        // of the first SYN/ACK or the crossing SYN
  std::uint32_t other_responder_isn = 0;  // of the latest differing SYN/ACK, else the same
  std::uint32_t last_syn_us = 0;
  std::uint32_t last_answer_us = 0;  // last segment that moved the attempt, other than its SYN
  std::uint16_t syn_interface = 0;
  std::uint16_t synack_interface = 0;
  std::uint16_t dup_syns = 0;  // saturate at 65535
  std::uint16_t dup_synacks = 0;
  std::uint16_t syn_payload = 0;  // most data that a SYN of this attempt carried
  Phase phase = Phase::syn_sent;
  std::uint8_t holder_bits = 0;  // the tracker's, in what would be padding

  [[nodiscard]] std::uint32_t last_us() const noexcept {
    return last_syn_us > last_answer_us ? last_syn_us : last_answer_us;
  }
};

static_assert(sizeof(Handshake) == 32 && std::is_trivially_copyable_v<Handshake>,
              "32 of the 80 bytes of an attempt");

// A segment as the attempt sees it.
struct Step {
  bool from_initiator = true;
  SegmentKind kind = SegmentKind::tcp;
  std::uint8_t flags = 0;
  std::uint16_t payload = 0;
  std::uint16_t interface = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint32_t at_us = 0;  // since the first SYN
};

// Starts over with `syn`, an opening SYN. In place: returned by value it would be copied in pieces
// that the processor has to wait for.
constexpr void begin(Handshake& handshake, const Step& syn) noexcept {
  handshake = {};
  handshake.isn = syn.sequence;
  handshake.syn_payload = syn.payload;
  handshake.syn_interface = syn.interface;
}

// Moves `handshake` by `step`. A repetition within `copy_window_us` of the one before it is a copy;
// 0 makes every repetition a duplicate. On `superseded` and `reopened` the caller starts over.
Event step(Handshake& handshake, const Step& step, std::uint32_t copy_window_us) noexcept;

// Ends a pending handshake that was not answered in time.
void expire(Handshake& handshake) noexcept;

}  // namespace tcpeek::flowtable
