// Random tests that can be told again: each round has a seed, a failure prints it, and TCPEEK_SEED=n
// in the environment plays that one alone.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace tcpeek::test {

// Runs `one(seed)` for `count` fresh seeds, or for the one in the environment; stops at the first
// failure.
template <class One>
void for_each_seed(std::uint64_t count, One&& one) {
  std::uint64_t seed = std::random_device{}() * std::uint64_t{1'000'003};
  if (const char* given = std::getenv("TCPEEK_SEED")) {
    seed = std::strtoull(given, nullptr, 10);
    count = 1;
  }
  for (const std::uint64_t end = seed + count; seed != end; ++seed) {
    SCOPED_TRACE("TCPEEK_SEED=" + std::to_string(seed));
    one(seed);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace tcpeek::test
