#include "engine/config/random_keys.h"

namespace tcpeek::engine {
namespace {

std::uint32_t random_word(std::random_device& device) {
  return static_cast<std::uint32_t>(device());
}

}  // namespace

flowtable::KeyHash::Secret random_secret(std::random_device& device) {
  flowtable::KeyHash::Secret secret;
  for (std::byte& b : secret) b = static_cast<std::byte>(random_word(device));
  return secret;
}

ring::SteeringKey random_steering(std::random_device& device) {
  return ring::SteeringKey::from(
      {random_word(device), random_word(device), random_word(device), random_word(device)});
}

}  // namespace tcpeek::engine
