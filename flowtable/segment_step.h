// A segment as the state machine sees it: which side of the attempt sent it, and how long after the SYN.
//
// Thread contract: pure functions.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "flowtable/attempt.h"
#include "flowtable/handshake.h"
#include "flowtable/segment.h"

namespace tcpeek::flowtable {

// Eight bits are enough to distinguish the interfaces of one flow: where two numbers agree in them, the
// time between copies still tells.
[[nodiscard]] constexpr std::uint8_t folded(std::uint32_t interface) noexcept {
  return static_cast<std::uint8_t>(interface ^ interface >> 8);
}

[[nodiscard]] inline Step as_step(const Segment& s, bool from_initiator,
                                  std::int64_t at_us) noexcept {
  return {.from_initiator = from_initiator,
          .ends_are_one = from_initiator && (s.flags & tcp_flag::syn) != 0 &&
                          s.key.end(Sender::low) == s.key.end(Sender::high),
          .kind = s.kind,
          .flags = s.flags,
          .interface = folded(s.interface),
          .print = s.print,
          .payload = s.payload,
          .sequence = s.sequence,
          .acknowledgment = s.acknowledgment,
          .at_us = at_us};
}

[[nodiscard]] inline Step as_step(const Attempt& attempt, const Segment& s) noexcept {
  using std::chrono::microseconds;
  // An attempt ends after an hour, so only a clock that lies goes beyond.
  constexpr microseconds kMax{0xffff'ffff};
  const auto since = std::chrono::duration_cast<microseconds>(s.time - attempt.first_syn);
  return as_step(s, s.sender == attempt.initiator(), std::min(since, kMax).count());
}

}  // namespace tcpeek::flowtable
