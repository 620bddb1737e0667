// What became of an attempt: its result, and the cause of that. The one enumeration of outcomes: the
// state machine decides on it, counters and printed words follow from it.
//
// A cause determines the result, so no impossible pair can be made. Every switch over either lists all
// of them (-Werror=switch): a new cause does not compile until it is named wherever it has to be.
//
// Thread contract: plain values, pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "flowtable/time.h"

namespace tcpeek::flowtable {

enum class Result : std::uint8_t { success, reject, timeout, unreach, evicted };

enum class Cause : std::uint8_t {
  none,         // success
  refused,      // reject: RST from the responder
  aborted,      // reject: RST from the initiator before completion
  no_answer,    // timeout: no SYN/ACK was seen
  no_ack,       // timeout: a SYN/ACK was seen and never acknowledged
  unreachable,  // unreach: an ICMP error
  evicted,      // the table was full
};

[[nodiscard]] constexpr Result result_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::none:
      return Result::success;
    case Cause::refused:
    case Cause::aborted:
      return Result::reject;
    case Cause::no_answer:
    case Cause::no_ack:
      return Result::timeout;
    case Cause::unreachable:
      return Result::unreach;
    case Cause::evicted:
      return Result::evicted;
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
  }
  __builtin_unreachable();
}

// As printed in JSON; a success has none.
[[nodiscard]] constexpr std::string_view word(Cause cause) noexcept {
  switch (cause) {
    case Cause::none:
      return "";
    case Cause::refused:
      return "refused";
    case Cause::aborted:
      return "aborted";
    case Cause::no_answer:
      return "no_answer";
    case Cause::no_ack:
      return "no_ack";
    case Cause::unreachable:
      return "unreachable";
    case Cause::evicted:
      return "evicted";
  }
  __builtin_unreachable();
}

struct Outcome {
  Cause cause = Cause::none;
  PacketTime at{};          // of the deciding segment; of a timeout, the moment it fell due
  bool half_seen = false;   // success: no SYN/ACK was captured
  bool late_proof = false;  // success: `at` is later than the completing ACK
  bool uncertain = false;   // timeout: packets were lost meanwhile

  [[nodiscard]] constexpr Result result() const noexcept { return result_of(cause); }
};

}  // namespace tcpeek::flowtable
