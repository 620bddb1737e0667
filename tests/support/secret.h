// Secrets for the keyed hash, pseudorandom and the same in each run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

#include "flowtable/key_hash.h"

namespace tcpeek::flowtable::test {

inline KeyHash::Secret secret_of(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  KeyHash::Secret secret;
  for (std::byte& b : secret) b = static_cast<std::byte>(random() & 0xff);
  return secret;
}

}  // namespace tcpeek::flowtable::test
