// Where the time of a handshake went.
//
// Thread contract: plain values, pure functions.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "flowtable/attempt.h"
#include "ipc/histogram.h"

namespace tcpeek::engine {

struct Legs {
  std::chrono::microseconds syn_to_synack{0};  // to the responder and back
  std::chrono::microseconds synack_to_ack{0};  // to the initiator and back
};

// Of one of the times that a handshake keeps.
[[nodiscard]] inline std::chrono::microseconds since_syn(std::uint32_t us) noexcept {
  return std::chrono::microseconds(std::max<std::int64_t>(flowtable::Handshake::since_syn(us), 0));
}

// Of a success whose SYN/ACK was seen and where nothing was repeated, as it would be ambiguous which SYN was
// answered. Copies that the capture made blur it by their distance.
[[nodiscard]] inline Legs legs_of(const flowtable::Attempt& attempt,
                                  std::chrono::microseconds whole) noexcept {
  const auto answered = std::min(since_syn(attempt.handshake.last_answer_us), whole);
  return {answered, whole - answered};
}

// The times of a success, each prepared for several histograms.
struct Times {
  ipc::LatencyHistogram::Sample whole;
  ipc::LatencyHistogram::Sample responder;  // syn_to_synack
  ipc::LatencyHistogram::Sample initiator;  // synack_to_ack

  Times(const Legs& legs, std::chrono::microseconds lasted) noexcept
      : whole(lasted), responder(legs.syn_to_synack), initiator(legs.synack_to_ack) {}
};

}  // namespace tcpeek::engine
