// The handshake state machine: what one attempt makes of one segment. No table, no clock, no I/O.
//
// step() is a pure function of (handshake, segment): the same pair gives the same event and the
// same new state on any thread, live or replayed. Sequence numbers compare modulo 2^32 (RFC 9293
// section 3.4). Times are microseconds since the attempt's first SYN; the tracker ends attempts
// before these can wrap.
//
// What a blind forger, who knows the 4-tuple and no number, can do is bounded here: numbers fit exactly,
// or, as late proof, within 2^24 of both initial ones; after four misfits late proof is over.
//
// Source: tcpeek(8), OUTCOMES; RFC 9293 sections 3.5 (simultaneous open) and 3.10.7.3 (which
// RST ends a SYN-SENT), RFC 5961 section 3 (RST must be exact), RFC 7413 (data on SYN).
//
// Thread contract: plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "flowtable/segment.h"

namespace tcpeek::flowtable {

enum class Phase : std::uint8_t {
  syn_sent,
  answered,                 // a fitting SYN/ACK was seen
  crossed,                  // SYNs crossed, neither acknowledged: the responder's is anybody's word
  crossed_initiator_acked,  // ... the responder has acknowledged the initiator's
  crossed_responder_acked,  // ... the initiator has acknowledged the responder's
  succeeded,                // from here on the attempt has its outcome and is only remembered
  succeeded_half_seen,      // no SYN/ACK was captured: the responder's ISN is not known
  succeeded_crossed,        // ... but for that of a SYN that crossed
  failed,                   // the responder's ISN is known
  failed_unanswered,
};

[[nodiscard]] constexpr bool is_pending(Phase p) noexcept {
  return p < Phase::succeeded;
}

// The responder has acknowledged the initiator's SYN, which a blind forger cannot do.
[[nodiscard]] constexpr bool is_answered(Phase p) noexcept {
  return p == Phase::answered || p == Phase::crossed_initiator_acked;
}

enum class Event : std::uint8_t {
  progressed,  // a new SYN/ACK, a crossing SYN: nothing to count
  dup_syn,     // the initiator sent its SYN again
  syn_copy,    // the capture delivered the SYN again
  dup_synack,
  synack_copy,
  error_noted,  // an ICMP error about the SYN: final unless the SYN is repeated
  // Outcomes.
  success,
  success_half_seen,  // the SYN/ACK was never captured
  success_late,       // proved by a segment after the completing ACK
  refused,
  reset,  // after the SYN/ACK
  aborted,
  half_open,    // by a host that knows no such connection
  probe,        // by an initiator that was connected
  unreachable,  // the error noted before was final
  // Another attempt may have begun; the caller decides.
  candidate,       // a SYN with another ISN while this one is pending
  reopened,        // the same after the outcome
  answered_again,  // after a failure the SYN was repeated, and now answered
  turned_round,    // the SYN that crossed is answered as if none had been before it
  // After the outcome.
  late_syn,     // the SYN once more
  late_synack,  // the SYN/ACK once more after success: the responder drops ACKs
  // No state change, but for counting what does not fit.
  does_not_fit,       // wrong sequence or acknowledgment number
  proves_nothing,     // fits, and says no more than the SYN/ACK did
  unanswered_ack,     // acknowledges a SYN/ACK that would have been captured
  blind_rst,          // a RST that fits neither way
  foreign_icmp,       // an ICMP error that quotes another segment
  icmp_about_synack,  // an ICMP error on the way back
  other_interface,    // a repetition seen on another interface than the first
  after_outcome,
};

[[nodiscard]] constexpr bool is_outcome(Event e) noexcept {
  return e >= Event::success && e <= Event::unreachable;
}
[[nodiscard]] constexpr bool is_ignored(Event e) noexcept {
  return e >= Event::does_not_fit;
}

struct Handshake {
  std::uint32_t isn = 0;
  // Of the first SYN/ACK or the crossing SYN. Until one is seen, the tracker's number of what an ICMP error
  // said that is noted.
  std::uint32_t responder_isn = 0;
  // If two_responders, the ISN of the latest differing SYN/ACK; if error_noted, when the error came.
  std::uint32_t other_isn_or_error_us = 0;
  std::uint32_t last_syn_us = 0;  // as captured last, modulo 2^32
  // The same of what moved the attempt other than its SYN; of a SYN that crosses, until one is acknowledged;
  // after a failure, of a repeated SYN.
  std::uint32_t last_answer_us = 0;
  std::uint16_t syn_payload = 0;     // most data that a SYN of this attempt carried
  std::uint16_t answer_payload = 0;  // the same of its SYN/ACKs, or of the crossing SYN
  std::uint8_t syn_interface = 0;
  std::uint8_t synack_interface = 0;  // or of the SYN that crossed
  std::uint8_t dup_syns = 0;          // saturate at 255
  std::uint8_t dup_synacks = 0;
  std::uint8_t syn_print = 0;  // of the latest SYN, as Step has it
  std::uint8_t synack_print = 0;
  Phase phase : 4 = Phase::syn_sent;
  std::uint8_t holder_bits : 3 = 0;  // the tracker's
  // The first SYN asked for ECN. If it was repeated, that was before any answer, and each time without.
  bool ecn_at_first : 1 = false;
  std::uint8_t misfits : 3 = 0;  // up to kMostMisfits
  bool two_responders : 1 = false;
  bool error_noted : 1 = false;
  bool data_acknowledged : 1 = false;   // a SYN/ACK acknowledged data of the SYN (Fast Open)
  bool syn_repeated : 1 = false;        // since the last SYN/ACK, or since the outcome
  bool fast_open_at_first : 1 = false;  // the same of Fast Open: its option, or data

  // Segments with numbers that fit nothing; after the last one only exact numbers count.
  static constexpr unsigned kMostMisfits = 4;

  // The responder's ISN is known: of a SYN/ACK, or of a SYN that crossed.
  [[nodiscard]] bool responder_was_seen() const noexcept {
    return phase != Phase::syn_sent && phase != Phase::succeeded_half_seen &&
           phase != Phase::failed_unanswered;
  }
  [[nodiscard]] std::uint32_t error_us() const noexcept { return other_isn_or_error_us; }
  // Clocks step back, so a time may be before the first SYN: by five minutes at most.
  static constexpr std::int64_t kMostBefore_us = 300'000'000;
  [[nodiscard]] static constexpr std::int64_t since_syn(std::uint32_t us) noexcept {
    constexpr std::int64_t kRound = std::int64_t{1} << 32;
    return us < kRound - kMostBefore_us ? us : us - kRound;
  }
  [[nodiscard]] std::int64_t last_us() const noexcept {
    // A SYN that crosses is anybody's.
    const std::int64_t answer = phase == Phase::crossed ? 0 : since_syn(last_answer_us);
    return std::max({std::int64_t{0}, since_syn(last_syn_us), answer});
  }
};

static_assert(sizeof(Handshake) == 32 && std::is_trivially_copyable_v<Handshake>,
              "32 of the 80 bytes of an attempt");

// A segment as the attempt sees it.
struct Step {
  bool from_initiator = true;
  // Whether an ACK to a SYN/ACK that was not captured is proof: not where it would have been captured.
  bool synack_may_be_unseen = true;
  bool ends_are_one = false;  // of a SYN/ACK: it is connected to itself
  SegmentKind kind = SegmentKind::tcp;
  std::uint8_t flags = 0;
  std::uint8_t interface = 0;
  std::uint8_t print = 0;  // differs between two sendings of a SYN (Segment::print)
  std::uint16_t payload = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::int64_t at_us = 0;  // since the first SYN; clocks step back, and captures reorder
};

// What a SYN asks for that a device on the way may not like.
[[nodiscard]] constexpr bool asks_for_ecn(std::uint8_t flags) noexcept {
  constexpr unsigned kSetup = tcp_flag::ece | tcp_flag::cwr;
  return (flags & kSetup) == kSetup;
}
[[nodiscard]] constexpr bool asks_for_fast_open(std::uint8_t flags,
                                                std::uint16_t payload) noexcept {
  return payload != 0 || (flags & tcp_flag::fast_open) != 0;
}

// Starts over with `syn`, an opening SYN. In place: returned by value it would be copied in pieces
// that the processor has to wait for.
constexpr void begin(Handshake& handshake, const Step& syn) noexcept {
  handshake = Handshake();  // gcc 12 cannot assign {} to an enumeration in a bit-field
  handshake.isn = syn.sequence;
  handshake.syn_payload = syn.payload;
  handshake.syn_interface = syn.interface;
  handshake.syn_print = syn.print;
}

// What it asks for, of an attempt that has just begun. Apart, as hardly any SYN asks. Of a SYN that was seen
// before it is not known any more.
void keep_requests(Handshake& handshake, std::uint8_t flags, std::uint16_t payload) noexcept;
inline void note_requests(Handshake& handshake, std::uint8_t flags,
                          std::uint16_t payload) noexcept {
  if (((flags ^ tcp_flag::syn) | payload) != 0) [[unlikely]]
    keep_requests(handshake, flags, payload);
}

// Whether the responder's segment acknowledges the initiator's SYN, with all, some or none of its data.
[[nodiscard]] constexpr bool acknowledges_syn(const Handshake& h, std::uint32_t ack) noexcept {
  return ack - h.isn - 1 <= h.syn_payload;
}

// Moves `handshake` by `step`. A repetition within `copy_window_us` of the one before it is a copy;
// 0 makes every repetition a duplicate.
Event step(Handshake& handshake, const Step& step, std::uint32_t copy_window_us) noexcept;

// Ends a pending handshake whose time is up, or that another attempt takes the place of.
void expire(Handshake& handshake) noexcept;

}  // namespace tcpeek::flowtable
