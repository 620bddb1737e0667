// Which of twenty slots gives way in a full table: of the answered or the unanswered attempts, whichever
// are more, the one whose deadline is earliest, as it has been silent longest.
//
// In a flood this runs twice for every SYN, and which slot it is cannot be predicted. So there are no branches, and
// four slots are compared at a time, or eight where the processor has AVX2: by callgrind 216 and 146 instructions with
// the look at the tags, by which a flood takes 0.91 times as long. Kinds are told apart first, so that ages need no
// kind mixed in.
//
// Thread contract: pure function. Units: deadlines as the table keeps them, tick << 1 | answered.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace tcpeek::flowtable {

class VictimSearch {
 public:
  static constexpr std::uint32_t kGroupSlots = 10;
  using Deadlines = std::array<std::uint32_t, kGroupSlots>;

  // `candidates` has a bit for each slot of `a`, then of `b`; one at least is set. Returns a slot's bit
  // number, the lowest of those that are equal.
  [[nodiscard]] static std::uint32_t find(const Deadlines& a, const Deadlines& b,
                                          std::uint32_t candidates) noexcept {
#ifdef __SSE2__
    return kHasAvx2 ? find_by_eight(a, b, candidates) : find_by_four(a, b, candidates);
#else
    return find_one_by_one(a, b, candidates);
#endif
  }

  // The same, plainly: where there is no SSE2, and for tests.
  [[nodiscard]] static std::uint32_t find_one_by_one(const Deadlines& a, const Deadlines& b,
                                                     std::uint32_t candidates) noexcept {
    const auto word = [&](std::uint32_t slot) {
      return slot < kGroupSlots ? a[slot] : b[slot - kGroupSlots];
    };
    const std::uint32_t some = word(static_cast<std::uint32_t>(std::countr_zero(candidates)));
    std::uint32_t answered = 0;
    for (std::uint32_t slot = 0; slot < 2 * kGroupSlots; ++slot)
      answered |= (word(slot) & 1) << slot;
    const std::uint32_t chosen = of_the_larger_kind(answered, candidates);
    auto found = static_cast<std::uint32_t>(std::countr_zero(chosen));
    std::int32_t least = kNever;
    for (std::uint32_t bits = chosen; bits != 0; bits &= bits - 1) {
      const auto slot = static_cast<std::uint32_t>(std::countr_zero(bits));
      const auto age = static_cast<std::int32_t>(word(slot) - some);
      if (age < least) found = slot;
      if (age < least) least = age;
    }
    return found;
  }

#ifdef __SSE2__
  static inline const bool kHasAvx2 =
      __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("popcnt") != 0;

  // The first eight slots of each group, then the last two of both: lanes as find_by_four() has them.
  [[gnu::target("avx2,popcnt"), nodiscard]] static std::uint32_t find_by_eight(
      const Deadlines& a, const Deadlines& b, std::uint32_t candidates) noexcept {
    const __m256i in_a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a.data()));
    const __m256i in_b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b.data()));
    const __m128i last =
        _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&a[8])),
                           _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&b[8])));
    const auto signs = [](int of_a, int of_b, int of_last) {
      return static_cast<std::uint32_t>(of_a | of_b << 8 | of_last << 16);
    };
    const std::uint32_t answered =
        signs(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(in_a, 31))),
              _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(in_b, 31))),
              _mm_movemask_ps(_mm_castsi128_ps(_mm_slli_epi32(last, 31))));
    const std::uint32_t lanes = lanes_of(candidates);
    const std::uint32_t yes = answered & lanes;
    const std::uint32_t no = lanes & ~answered;
    const std::uint32_t chosen = __builtin_popcount(yes) > __builtin_popcount(no) ? yes : no;

    const auto first = static_cast<std::uint32_t>(std::countr_zero(candidates));
    const std::uint32_t some = first < kGroupSlots ? a[first] : b[first - kGroupSlots];
    const __m256i begin = _mm256_set1_epi32(static_cast<std::int32_t>(some));
    const __m256i never = _mm256_set1_epi32(kNever);
    const __m256i wanted = _mm256_set1_epi32(static_cast<std::int32_t>(chosen));
    const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i bits_b = _mm256_slli_epi32(bits, 8);
    const __m128i bits_last = _mm_slli_epi32(_mm256_castsi256_si128(bits), 16);
    const __m256i ages_a =
        _mm256_blendv_epi8(never, _mm256_sub_epi32(in_a, begin),
                           _mm256_cmpeq_epi32(_mm256_and_si256(wanted, bits), bits));
    const __m256i ages_b =
        _mm256_blendv_epi8(never, _mm256_sub_epi32(in_b, begin),
                           _mm256_cmpeq_epi32(_mm256_and_si256(wanted, bits_b), bits_b));
    const __m128i ages_last = _mm_blendv_epi8(
        _mm256_castsi256_si128(never), _mm_sub_epi32(last, _mm256_castsi256_si128(begin)),
        _mm_cmpeq_epi32(_mm_and_si128(_mm256_castsi256_si128(wanted), bits_last), bits_last));

    const __m256i both = _mm256_min_epi32(ages_a, ages_b);
    __m128i least = _mm_min_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    least = _mm_min_epi32(least, ages_last);
    least = _mm_min_epi32(least, _mm_shuffle_epi32(least, _MM_SHUFFLE(1, 0, 3, 2)));
    least = _mm_min_epi32(least, _mm_shuffle_epi32(least, _MM_SHUFFLE(2, 3, 0, 1)));
    const __m256i least_of_all = _mm256_broadcastsi128_si256(least);
    const std::uint32_t found =
        signs(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(ages_a, least_of_all))),
              _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(ages_b, least_of_all))),
              _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(ages_last, least))));
    // With an age of kNever itself, all that are not chosen look equal.
    return static_cast<std::uint32_t>(std::countr_zero(slots_of(found & chosen)));
  }

  [[nodiscard]] static std::uint32_t find_by_four(const Deadlines& a, const Deadlines& b,
                                                  std::uint32_t candidates) noexcept {
    const Vectors words = load(a, b);
    Vectors kinds;
    for (std::size_t i = 0; i < kVectors; ++i) kinds[i].lanes = _mm_slli_epi32(words[i].lanes, 31);
    const std::uint32_t lanes = lanes_of(candidates);
    const std::uint32_t chosen = of_the_larger_kind(signs(kinds), lanes);

    // Deadlines are modulo 2^31: put in order by their distance from a candidate's, as that of another slot
    // may be from any time. Within one kind, the lowest bit is the same.
    const auto first = static_cast<std::uint32_t>(std::countr_zero(candidates));
    const std::uint32_t some = first < kGroupSlots ? a[first] : b[first - kGroupSlots];
    const __m128i begin = _mm_set1_epi32(static_cast<std::int32_t>(some));
    const __m128i never = _mm_set1_epi32(kNever);
    const __m128i wanted = _mm_set1_epi32(static_cast<std::int32_t>(chosen));
    __m128i bits = _mm_setr_epi32(1, 2, 4, 8);
    Vectors ages;
    for (std::size_t i = 0; i < kVectors; ++i) {
      const __m128i is_chosen = _mm_cmpeq_epi32(_mm_and_si128(wanted, bits), bits);
      const __m128i age = _mm_sub_epi32(words[i].lanes, begin);
      ages[i].lanes =
          _mm_or_si128(_mm_and_si128(is_chosen, age), _mm_andnot_si128(is_chosen, never));
      bits = _mm_slli_epi32(bits, 4);
    }
    __m128i least = ages[0].lanes;
    for (std::size_t i = 1; i < kVectors; ++i) least = lesser(least, ages[i].lanes);
    least = lesser(least, _mm_shuffle_epi32(least, _MM_SHUFFLE(1, 0, 3, 2)));
    least = lesser(least, _mm_shuffle_epi32(least, _MM_SHUFFLE(2, 3, 0, 1)));
    for (Four& age : ages) age.lanes = _mm_cmpeq_epi32(age.lanes, least);
    // With an age of kNever itself, all that are not chosen look equal.
    return static_cast<std::uint32_t>(std::countr_zero(slots_of(signs(ages) & chosen)));
  }
#endif

 private:
  static constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::max();

  [[nodiscard]] static std::uint32_t of_the_larger_kind(std::uint32_t answered,
                                                        std::uint32_t candidates) noexcept {
    const std::uint32_t yes = answered & candidates;
    const std::uint32_t no = candidates & ~answered;
    // Both counted in one word: the baseline of x86-64 has no instruction that counts bits.
    std::uint64_t bits = std::uint64_t{yes} << 32 | no;
    bits -= bits >> 1 & 0x5555'5555'5555'5555U;
    bits = (bits & 0x3333'3333'3333'3333U) + (bits >> 2 & 0x3333'3333'3333'3333U);
    bits = (bits + (bits >> 4)) & 0x0f0f'0f0f'0f0f'0f0fU;
    bits *= 0x0101'0101U;
    return (bits >> 56) > (bits >> 24 & 0xff) ? yes : no;
  }

#ifdef __SSE2__
  // Eight slots of each group are two vectors, the last two of both are the fifth. A mask of lanes has its
  // bits in the order of the vectors.
  static constexpr std::size_t kVectors = 5;
  struct Four {  // as the vectors themselves have attributes that a template's argument loses
    __m128i lanes;
  };
  using Vectors = std::array<Four, kVectors>;

  [[nodiscard]] static std::uint32_t lanes_of(std::uint32_t slots) noexcept {
    return (slots & 0xff) | (slots >> 2 & 0xff00) | (slots & 0x300) << 8 | (slots & 0xc0000);
  }
  [[nodiscard]] static std::uint32_t slots_of(std::uint32_t lanes) noexcept {
    return (lanes & 0xff) | (lanes & 0xff00) << 2 | (lanes >> 8 & 0x300) | (lanes & 0xc0000);
  }

  // The lanes' sign bits.
  [[nodiscard]] static std::uint32_t signs(const Vectors& v) noexcept {
    const __m128i in_a = _mm_packs_epi32(v[0].lanes, v[1].lanes);
    const __m128i in_b = _mm_packs_epi32(v[2].lanes, v[3].lanes);
    const auto most = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(in_a, in_b)));
    const auto last = static_cast<std::uint32_t>(_mm_movemask_ps(_mm_castsi128_ps(v[4].lanes)));
    return most | last << 16;
  }

  [[nodiscard]] static __m128i lesser(__m128i a, __m128i b) noexcept {
    const __m128i b_is_less = _mm_cmpgt_epi32(a, b);
    return _mm_or_si128(_mm_and_si128(b_is_less, b), _mm_andnot_si128(b_is_less, a));
  }

  [[nodiscard]] static Vectors load(const Deadlines& a, const Deadlines& b) noexcept {
    const auto four = [](const std::uint32_t* at) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    };
    const auto two = [](const std::uint32_t* at) {
      return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
    };
    return {Four{four(a.data())}, Four{four(&a[4])}, Four{four(b.data())}, Four{four(&b[4])},
            Four{_mm_unpacklo_epi64(two(&a[8]), two(&b[8]))}};
  }

#endif
};

}  // namespace tcpeek::flowtable
