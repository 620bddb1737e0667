// What the flow table does for every packet: defined here so that it is part of the tracker's loop.
// In table.cc, behind calls, it took twice the instructions. Included by table.h alone.
#pragma once

#include <bit>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tcpeek::flowtable {

// Compares all tags at once, as every packet needs two or three matches.
inline std::uint32_t AttemptTable::match(const Group& group, std::uint16_t tag) noexcept {
#ifdef __SSE2__
  static_assert(offsetof(Group, deadlines) == 24, "the second load ends with the flags");
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag));
  const auto* tags = reinterpret_cast<const __m128i*>(group.tags.data());
  const auto* last = reinterpret_cast<const __m128i*>(group.tags.data() + 8);
  const __m128i first_eight = _mm_cmpeq_epi16(_mm_loadu_si128(tags), wanted);
  const __m128i last_two = _mm_cmpeq_epi16(_mm_loadl_epi64(last), wanted);
  const int bits = _mm_movemask_epi8(_mm_packs_epi16(first_eight, last_two));
  return static_cast<std::uint32_t>(bits) & kAllSlots;
#else
  std::uint32_t bits = 0;
  for (std::uint32_t i = 0; i < kGroupSlots; ++i) {
    bits |= static_cast<std::uint32_t>(group.tags[i] == tag) << i;
  }
  return bits;
#endif
}

inline Slot AttemptTable::find_in(std::uint32_t group, std::uint16_t tag,
                                  const FlowKey& key) const noexcept {
  const Group& g = groups_[group];
  for (std::uint32_t bits = match(g, tag); bits != 0; bits &= bits - 1) {
    const auto index = static_cast<std::uint32_t>(std::countr_zero(bits));
    if (g.attempts[index].key == key) [[likely]]
      return Slot{group, index};
  }
  return {};
}

template <class Fn>
void AttemptTable::for_each_pending(std::size_t start, std::size_t groups, Fn&& fn) const noexcept {
  written_.for_each_marked(start, start + groups, [&](std::size_t first, std::size_t end) {
    for (auto g = static_cast<std::uint32_t>(first); g < end; ++g) {
      for (std::uint32_t slots = pending_slots(g); slots != 0; slots &= slots - 1) {
        fn(Slot{g, static_cast<std::uint32_t>(std::countr_zero(slots))});
      }
    }
  });
}

inline Slot AttemptTable::free_or_remembered(std::uint32_t group) const noexcept {
  const Group& g = groups_[group];
  std::uint32_t bits = match(g, 0);
  if (bits == 0) {
    bits = g.remembered;
    if (bits == 0) return {};
    const std::uint32_t from_hand = bits & (~0U << g.hand);
    if (from_hand != 0) bits = from_hand;
  }
  return Slot{group, static_cast<std::uint32_t>(std::countr_zero(bits))};
}

inline bool AttemptTable::prefetch_found(const Home& home) const noexcept {
  const Group& g = groups_[home.group];
  const std::uint32_t bits = match(g, tag_of(home.hash));
  if (bits != 0) {
    prefetch_attempt({home.group, static_cast<std::uint32_t>(std::countr_zero(bits))});
    return true;
  }
  if (g.away != 0) [[unlikely]]
    prefetch_second(home);
  return false;
}

inline void AttemptTable::prefetch_room(const Home& home) const noexcept {
  const Slot slot =
      full() ? victim(home.group, second_group(home.hash)) : free_or_remembered(home.group);
  if (slot) prefetch_attempt(slot);
}

inline Attempt& AttemptTable::put(Slot slot, const FlowKey& key, const Home& home) noexcept {
  erase(slot);
  Group& g = groups_[slot.group()];
  written_.mark(slot.group());
  g.tags[slot.index()] = tag_of(home.hash);
  notes_[note_index(slot)] = 0;
  g.hand = (slot.index() + 1) % kGroupSlots & 0x3f;
  if (slot.group() != home.group) [[unlikely]]
    settle_guest(home, slot);
  ++pending_;
  Attempt& attempt = g.attempts[slot.index()];
  attempt.key = key;
  attempt.tag = 0;
  attempt.handshake = Handshake();
  return attempt;
}

inline void AttemptTable::erase(Slot slot) noexcept {
  Group& g = groups_[slot.group()];
  if (g.tags[slot.index()] == 0) return;
  if (is_guest(slot)) [[unlikely]]
    unsettle_guest(slot);
  --(is_remembered(slot) ? remembered_ : pending_);
  g.tags[slot.index()] = 0;
  g.remembered = (g.remembered & ~(1U << slot.index())) & kAllSlots;
}

inline void AttemptTable::set_remembered(Slot slot) noexcept {
  if (is_remembered(slot)) return;
  Group& g = groups_[slot.group()];
  g.remembered = (g.remembered | 1U << slot.index()) & kAllSlots;
  --pending_;
  ++remembered_;
}

}  // namespace tcpeek::flowtable
