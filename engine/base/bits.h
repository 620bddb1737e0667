// Walking the bits of a word: which of 64 things it names.
//
// Thread contract: pure function.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace tcpeek::engine {

// Calls fn(std::size_t) with the position of each bit that is set, ascending.
template <class Fn>
constexpr void for_each_bit(std::uint64_t bits, Fn&& fn) {
  for (; bits != 0; bits &= bits - 1) fn(static_cast<std::size_t>(std::countr_zero(bits)));
}

}  // namespace tcpeek::engine
