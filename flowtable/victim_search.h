// Which of twenty slots gives way in a full table: of the answered or the unanswered attempts, whichever
// are more, the one whose deadline is earliest, as it has been silent longest.
//
// In a flood this runs for every SYN, and which slot it is cannot be predicted. So there are no branches,
// and four slots are compared at a time: a third of the instructions of a loop over them.
//
// Thread contract: pure function. Units: deadlines as the table keeps them, tick << 1 | answered.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace tcpeek::flowtable {

class VictimSearch {
 public:
  static constexpr std::size_t kGroupSlots = 10;
  using Deadlines = std::array<std::uint32_t, kGroupSlots>;

  // `candidates` has a bit for each slot of `a`, then of `b`; one at least is set. Returns a slot's bit number.
  [[nodiscard]] static std::uint32_t find(const Deadlines& a, const Deadlines& b,
                                          std::uint32_t candidates) noexcept {
    const auto first = static_cast<std::size_t>(std::countr_zero(candidates));
    const VictimSearch search(first < kGroupSlots ? a[first] : b[first - kGroupSlots], a, b,
                              candidates);
    return search.least();
  }

 private:
  using Words = std::uint32_t __attribute__((vector_size(16)));
  using Lanes = std::int32_t __attribute__((vector_size(16)));

  // Four slots each; those of the third overlap the second's by two.
  static constexpr std::size_t kVectors = 6;
  static constexpr std::array<std::uint32_t, kVectors> kFirstSlot{0, 4, 6, 10, 14, 16};
  static constexpr Words kAll{~0U, ~0U, ~0U, ~0U};
  static constexpr Words kNotSeen{0, 0, ~0U, ~0U};
  static constexpr Words kBits{1, 2, 4, 8};
  static constexpr Lanes kSlots{0, 1, 2, 3};
  static constexpr std::int32_t kNone = std::numeric_limits<std::int32_t>::max();

  // Deadlines are modulo 2^31: put in order from half a round before one of them, a candidate's, as that of
  // another slot may be from any time.
  VictimSearch(std::uint32_t some, const Deadlines& a, const Deadlines& b,
               std::uint32_t candidates) noexcept {
    const std::uint32_t begin = some - (std::uint32_t{1} << 31);
    Words balance{};  // of the answered over the unanswered
    std::array<Words, kVectors> words;
    std::array<Words, kVectors> taken;
    for (std::size_t i = 0; i < kVectors; ++i) {
      const bool in_a = i < kVectors / 2;
      const std::uint32_t at = kFirstSlot[i];
      std::memcpy(&words[i], in_a ? &a[at] : &b[at - kGroupSlots], sizeof words[i]);
      taken[i] = std::bit_cast<Words>((kBits << at & candidates) != 0);
      const Words counted = taken[i] & (i % 3 == 2 ? kNotSeen : kAll);
      balance += ((words[i] & 1) * 2 - 1) & counted;
    }
    const bool answered_are_more =
        static_cast<std::int32_t>(balance[0] + balance[1] + balance[2] + balance[3]) > 0;
    // Ranks: the kind, then the age. As signed numbers, which are what SSE2 compares.
    const std::uint32_t spared = answered_are_more ? 0U : std::uint32_t{1} << 31;
    for (std::size_t i = 0; i < kVectors; ++i) {
      const Words age = words[i] - (begin & ~1U);
      const Words rank = (age >> 1 | age << 31) ^ spared;
      ranks_[i] =
          std::bit_cast<Lanes>((rank & taken[i]) | (static_cast<std::uint32_t>(kNone) & ~taken[i]));
    }
  }

  [[nodiscard]] std::uint32_t least() const noexcept {
    Lanes least = ranks_[0];
    for (std::size_t i = 1; i < kVectors; ++i) least = lesser(least, ranks_[i]);
    const std::int32_t rank = least_of(least);
    Lanes slots = kSlots + kNone / 2;
    for (std::size_t i = 0; i < kVectors; ++i) {
      const Lanes here = kSlots + static_cast<std::int32_t>(kFirstSlot[i]);
      slots = lesser(slots, ranks_[i] == rank ? here : slots);
    }
    return static_cast<std::uint32_t>(least_of(slots));
  }

  [[nodiscard]] static Lanes lesser(Lanes a, Lanes b) noexcept { return a < b ? a : b; }
  [[nodiscard]] static std::int32_t least_of(Lanes v) noexcept {
    return std::min(std::min(v[0], v[1]), std::min(v[2], v[3]));
  }

  std::array<Lanes, kVectors> ranks_;
};

}  // namespace tcpeek::flowtable
