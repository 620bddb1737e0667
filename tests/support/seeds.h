// Random tests that can be told again: each round has a seed, a failure prints it, and TCPEEK_SEED=n
// in the environment plays that one alone. TCPEEK_SEEDS_PERCENT=n plays that share of the rounds (at
// least one): for builds in which a round is slow and has little more to show.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace tcpeek::test {

inline std::uint64_t share_of(std::uint64_t count) {
  const char* percent = std::getenv("TCPEEK_SEEDS_PERCENT");
  if (percent == nullptr) return count;
  return std::max<std::uint64_t>(1, count * std::strtoull(percent, nullptr, 10) / 100);
}

// Runs `one(seed)` for `count` fresh seeds, or for the one in the environment; stops at the first
// failure.
template <class One>
void for_each_seed(std::uint64_t count, One&& one) {
  count = share_of(count);
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
