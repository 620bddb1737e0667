// What became of an attempt, and how the state machine's events translate.
//
// Thread contract: plain values, pure functions.
#pragma once

#include <cstdint>

#include "flowtable/handshake.h"
#include "flowtable/ignored.h"
#include "flowtable/time.h"

namespace tcpeek::flowtable {

enum class Result : std::uint8_t {
  success,
  refused,
  aborted,
  timed_out_no_answer,
  timed_out_no_ack,
  unreachable,
  evicted,
};

struct Ending {
  Result result = Result::success;
  PacketTime at{};          // of the deciding segment; of a timeout, the moment it fell due
  bool half_seen = false;   // success: no SYN/ACK was captured
  bool late_proof = false;  // success: `at` is later than the completing ACK
  bool uncertain = false;   // timeout: packets were lost meanwhile
};

// The ending that an outcome event other than `superseded` stands for.
[[nodiscard]] constexpr Ending ending_of(Event event, PacketTime at) noexcept {
  switch (event) {
    case Event::success_half_seen:
      return {.result = Result::success, .at = at, .half_seen = true};
    case Event::success_late:
      return {.result = Result::success, .at = at, .late_proof = true};
    case Event::refused:
      return {.result = Result::refused, .at = at};
    case Event::aborted:
      return {.result = Result::aborted, .at = at};
    case Event::unreachable:
      return {.result = Result::unreachable, .at = at};
    default:
      return {.result = Result::success, .at = at};
  }
}

// The reason that an ignored event is counted under.
[[nodiscard]] constexpr Ignored reason_of(Event event) noexcept {
  switch (event) {
    case Event::proves_nothing:
      return Ignored::proves_nothing;
    case Event::blind_rst:
      return Ignored::blind_rst;
    case Event::foreign_icmp:
      return Ignored::foreign_icmp;
    case Event::other_interface:
      return Ignored::other_interface;
    case Event::after_outcome:
      return Ignored::after_outcome;
    default:
      return Ignored::does_not_fit;
  }
}

}  // namespace tcpeek::flowtable
