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

[[nodiscard]] inline Step as_step(const Segment& s, bool from_initiator,
                                  std::uint32_t at_us) noexcept {
  return {.from_initiator = from_initiator,
          .kind = s.kind,
          .flags = s.flags,
          .payload = s.payload,
          // Sixteen bits are enough to distinguish the interfaces of one flow.
          .interface = static_cast<std::uint16_t>(s.interface),
          .sequence = s.sequence,
          .acknowledgment = s.acknowledgment,
          .at_us = at_us};
}

[[nodiscard]] inline Step as_step(const Attempt& attempt, const Segment& s) noexcept {
  using std::chrono::microseconds;
  constexpr microseconds kMax{0xffff'ffff};
  const auto since = std::chrono::duration_cast<microseconds>(s.time - attempt.first_syn);
  const auto at_us = std::clamp(since, microseconds{0}, kMax).count();
  return as_step(s, s.sender == attempt.initiator(), static_cast<std::uint32_t>(at_us));
}

}  // namespace tcpeek::flowtable
