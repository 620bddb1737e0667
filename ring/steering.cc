// The C++ half. Its steps must match steering_program.cc line by line; tests run both on the same
// packets.

#include "ring/steering.h"

namespace tcpeek::ring {
namespace {

std::uint32_t end_hash(const SteeringKey& key, const SteeringEnd& end) noexcept {
  std::uint32_t h = key.start;
  for (std::size_t at = 0; at + 4 <= end.address.size(); at += 4) {
    const std::uint32_t word = static_cast<std::uint32_t>(end.address[at]) << 24 |
                               static_cast<std::uint32_t>(end.address[at + 1]) << 16 |
                               static_cast<std::uint32_t>(end.address[at + 2]) << 8 |
                               end.address[at + 3];
    h = (h ^ word) * key.address_factor;
    h ^= h >> 15;
  }
  h = (h ^ end.port) * key.port_factor;
  return h ^ (h >> 15);
}

}  // namespace

SteeringKey SteeringKey::from(const std::array<std::uint32_t, 4>& random) noexcept {
  return {random[0], random[1] | 1U, random[2] | 1U, random[3] | 1U};
}

std::uint32_t steering_hash(const SteeringKey& key, const SteeringEnd& a,
                            const SteeringEnd& b) noexcept {
  std::uint32_t h = (end_hash(key, a) + end_hash(key, b)) * key.final_factor;
  return h ^ (h >> 15);
}

}  // namespace tcpeek::ring
