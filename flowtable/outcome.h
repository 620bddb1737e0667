// What became of an attempt: its result, and the cause of it. The only enumeration of outcomes: the
// state machine sets it, counters and printed words follow from it.
//
// The cause determines the result, so impossible pairs cannot occur. Every switch over either lists all
// values (-Werror=switch): a new cause does not compile until it is handled everywhere.
//
// Thread contract: plain values, pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "flowtable/icmp_error.h"
#include "flowtable/time.h"

namespace tcpeek::flowtable {

enum class Result : std::uint8_t { success, reject, timeout, unreach, evicted, pending };

enum class Cause : std::uint8_t {
  none,     // success
  refused,  // reject: RST from the responder, to the SYN
  reset,    // reject: RST from the responder, after its SYN/ACK
  aborted,  // reject: RST from the initiator, unanswered
  half_open,  // reject: the initiator's host knew nothing of it: a scan, or the initiator had given up
  probe,      // reject: the initiator was connected, and reset instead of acknowledging
  no_answer,    // timeout: no SYN/ACK was seen
  no_ack,       // timeout: a SYN/ACK was seen and never acknowledged
  superseded,   // timeout: the initiator began another attempt in its place
  unreachable,  // unreach: an ICMP error
  evicted,      // the table was full
  pending,      // none yet, where a capture file ends: shown, and counted in no outcome
};

inline constexpr std::size_t kCauses = static_cast<std::size_t>(Cause::pending) + 1;

[[nodiscard]] constexpr Result result_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::none:
      return Result::success;
    case Cause::refused:
    case Cause::reset:
    case Cause::aborted:
    case Cause::half_open:
    case Cause::probe:
      return Result::reject;
    case Cause::no_answer:
    case Cause::no_ack:
    case Cause::superseded:
      return Result::timeout;
    case Cause::unreachable:
      return Result::unreach;
    case Cause::evicted:
      return Result::evicted;
    case Cause::pending:
      return Result::pending;
  }
  __builtin_unreachable();
}

// As printed in JSON and in live lines.
[[nodiscard]] constexpr std::string_view word(Result result) noexcept {
  switch (result) {
    case Result::success:
      return "success";
    case Result::reject:
      return "reject";
    case Result::timeout:
      return "timeout";
    case Result::unreach:
      return "unreach";
    case Result::evicted:
      return "evicted";
    case Result::pending:
      return "pending";
  }
  __builtin_unreachable();
}

// As printed in JSON; a success has none, nor has what is pending.
[[nodiscard]] constexpr std::string_view word(Cause cause) noexcept {
  switch (cause) {
    case Cause::none:
      return "";
    case Cause::refused:
      return "refused";
    case Cause::reset:
      return "reset";
    case Cause::aborted:
      return "aborted";
    case Cause::half_open:
      return "half_open";
    case Cause::probe:
      return "probe";
    case Cause::no_answer:
      return "no_answer";
    case Cause::no_ack:
      return "no_ack";
    case Cause::superseded:
      return "superseded";
    case Cause::unreachable:
      return "unreachable";
    case Cause::evicted:
      return "evicted";
    case Cause::pending:
      return "";
  }
  __builtin_unreachable();
}

// Whom a RST of the responder's side seems to be from, by its hop limit: a device on the way is as many hops
// away as it likes. A suspicion, never a proof.
enum class RstSender : std::uint8_t {
  unknown,    // no SYN/ACK of that address was captured lately
  responder,  // as its SYN/ACKs
  suspect,    // unlike each of them
};

[[nodiscard]] constexpr std::string_view word(RstSender sender) noexcept {
  switch (sender) {
    case RstSender::unknown:
      return "unknown";
    case RstSender::responder:
      return "responder";
    case RstSender::suspect:
      return "suspect";
  }
  __builtin_unreachable();
}

struct Outcome {
  Cause cause = Cause::none;
  PacketTime at{};          // of the deciding segment; for a timeout, when it fell due
  bool half_seen = false;   // success: no SYN/ACK was captured
  bool late_proof = false;  // success: `at` is later than the completing ACK
  bool uncertain = false;   // timeout: packets were lost meanwhile
  RstSender rst_sender = RstSender::unknown;  // of one that the responder refused or reset
  std::uint8_t rst_hop_limit = 0;             // of that RST
  const IcmpError* error =
      nullptr;  // unreachable: the error, unless it was displaced; for the call alone

  [[nodiscard]] constexpr Result result() const noexcept { return result_of(cause); }
};

}  // namespace tcpeek::flowtable
