// Which reader owns a connection: the steering program's answer, computed from a decoded key.
//
// Thread contract: pure function.
#pragma once

#include <span>

#include "flowtable/flow_key.h"
#include "ring/steering.h"

namespace tcpeek::engine {

[[nodiscard]] inline unsigned owner_of(const flowtable::FlowKey& key,
                                       const ring::SteeringKey& steering,
                                       unsigned readers) noexcept {
  const auto end = [](const flowtable::IpAddress& address, std::uint16_t port) {
    const std::span<const std::uint8_t> bytes(address);
    return ring::SteeringEnd{flowtable::is_v4(address) ? bytes.last(4) : bytes, port};
  };
  return ring::owner(ring::steering_hash(steering, end(key.low_address, key.low_port),
                                         end(key.high_address, key.high_port)),
                     readers);
}

}  // namespace tcpeek::engine
