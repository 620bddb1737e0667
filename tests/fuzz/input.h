// What a target's input is made of: bytes for the code under test in front, and behind them the
// choices, read from the end (FuzzedDataProvider), so that both grow and shrink without moving the
// other.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/support/octets.h"

namespace tcpeek::fuzz {

using test::Octets;

inline Octets octets_of(const std::vector<std::uint8_t>& bytes) {
  Octets octets(bytes.size());
  std::transform(bytes.begin(), bytes.end(), octets.begin(),
                 [](std::uint8_t b) { return std::byte{b}; });
  return octets;
}

inline Octets next_octets(FuzzedDataProvider& input, std::size_t size) {
  return octets_of(input.ConsumeBytes<std::uint8_t>(size));
}
inline Octets remaining_octets(FuzzedDataProvider& input) {
  return octets_of(input.ConsumeRemainingBytes<std::uint8_t>());
}

// A choice as one byte, so that it keeps its meaning while others are added.
template <class T, std::size_t N>
T pick(FuzzedDataProvider& input, const std::array<T, N>& from) {
  static_assert(N <= 256);
  return from[input.ConsumeIntegral<std::uint8_t>() % N];
}

// The other way round, for seeds: `choices` as they will be read, numbers in network order.
inline Octets with_choices(Octets bytes, Octets choices) {
  std::reverse(choices.begin(), choices.end());
  test::append(bytes, choices);
  return bytes;
}

}  // namespace tcpeek::fuzz
