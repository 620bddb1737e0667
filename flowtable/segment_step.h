// A segment as the state machine takes it: from which side of the attempt, and when in its life.
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
          // Sixteen bits tell the interfaces of one flow apart well enough.
          .interface = static_cast<std::uint16_t>(s.interface),
          .sequence = s.sequence,
          .acknowledgment = s.acknowledgment,
          .at_us = at_us};
}

[[nodiscard]] inline Step as_step(const Attempt& attempt, const Segment& s) noexcept {
  using std::chrono::microseconds;
  constexpr microseconds kMost{0xffff'ffff};
  const auto since = std::chrono::duration_cast<microseconds>(s.time - attempt.first_syn);
  const auto at_us = std::clamp(since, microseconds{0}, kMost).count();
  return as_step(s, s.sender == attempt.initiator(), static_cast<std::uint32_t>(at_us));
}

}  // namespace tcpeek::flowtable
