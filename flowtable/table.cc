// Look-up, placing and erasing; the layout is told in table.h.

#include "flowtable/table.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace tcpeek::flowtable {
namespace {

Slot slot_at(std::size_t group, std::size_t index) noexcept {
  return static_cast<Slot>(group * AttemptTable::kGroupSlots + index);
}

// The slot of the lowest of `bits`, which are not all zero.
Slot lowest_slot(std::size_t group, std::uint32_t bits) noexcept {
  return slot_at(group, static_cast<std::size_t>(std::countr_zero(bits)));
}

// Ten-slot groups with two choices and two moves take random keys without evicting when 93% full
// (the tests fill a million).
constexpr std::uint64_t groups_for(std::uint64_t capacity) noexcept {
  constexpr std::uint64_t kLoadPercent = 93;
  const std::uint64_t slots = capacity * 100 / kLoadPercent + 1;
  const std::uint64_t groups = (slots + AttemptTable::kGroupSlots - 1) / AttemptTable::kGroupSlots;
  return std::max<std::uint64_t>(groups, 2);
}

}  // namespace

AttemptTable::AttemptTable(std::uint64_t capacity, const KeyHash::Secret& secret)
    : hash_(secret),
      capacity_(std::max<std::uint64_t>(capacity, 1)),
      groups_(groups_for(capacity_)) {}

std::size_t AttemptTable::second_group(std::uint64_t hash) const noexcept {
  const std::size_t first = first_group(hash);
  const std::size_t second = scale(static_cast<std::uint32_t>(hash));
  if (second != first) return second;
  return first + 1 < groups_.size() ? first + 1 : 0;
}

// All tags at once, as every packet asks for two or three matches: in a loop they were a third of
// the tracker's instructions.
std::uint32_t AttemptTable::match(const Group& group, std::uint16_t tag) noexcept {
#ifdef __SSE2__
  static_assert(offsetof(Group, deadlines) == 24, "the second load ends with the flags");
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag));
  const auto* tags = reinterpret_cast<const __m128i*>(group.tags.data());
  const auto* last = reinterpret_cast<const __m128i*>(group.tags.data() + 8);
  const __m128i first_eight = _mm_cmpeq_epi16(_mm_loadu_si128(tags), wanted);
  const __m128i last_two = _mm_cmpeq_epi16(_mm_loadl_epi64(last), wanted);
  const int bits = _mm_movemask_epi8(_mm_packs_epi16(first_eight, last_two));
  return static_cast<std::uint32_t>(bits) & ((1U << kGroupSlots) - 1);
#else
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kGroupSlots; ++i) {
    bits |= static_cast<std::uint32_t>(group.tags[i] == tag) << i;
  }
  return bits;
#endif
}

std::optional<Slot> AttemptTable::find_in(std::size_t group, std::uint16_t tag,
                                          const FlowKey& key) const noexcept {
  for (std::uint32_t bits = match(groups_[group], tag); bits != 0; bits &= bits - 1) {
    const auto slot = lowest_slot(group, bits);
    if ((*this)[slot].key == key) return slot;
  }
  return std::nullopt;
}

std::optional<Slot> AttemptTable::find(const FlowKey& key, std::uint64_t hash) const noexcept {
  const std::size_t first = first_group(hash);
  const std::uint16_t tag = tag_of(hash);
  if (const auto slot = find_in(first, tag, key)) return slot;
  if (groups_[first].away == 0) return std::nullopt;
  return find_in(second_group(hash), tag, key);
}

void AttemptTable::prefetch_slot(std::uint64_t hash, bool opening) const noexcept {
  const std::size_t group = first_group(hash);
  const Group& g = groups_[group];
  const std::uint32_t bits = match(g, tag_of(hash));
  std::optional<Slot> slot;
  if (bits != 0) {
    slot = lowest_slot(group, bits);
  } else {
    if (g.away != 0) __builtin_prefetch(&groups_[second_group(hash)]);
    if (opening) slot = free_or_remembered(group);
  }
  if (!slot) return;
  const auto* attempt = reinterpret_cast<const char*>(&(*this)[*slot]);
  __builtin_prefetch(attempt, 1);
  __builtin_prefetch(attempt + sizeof(Attempt) - 1, 1);
}

std::optional<Slot> AttemptTable::free_slot(std::size_t group) const noexcept {
  const std::uint32_t bits = match(groups_[group], 0);
  if (bits == 0) return std::nullopt;
  return lowest_slot(group, bits);
}

std::optional<Slot> AttemptTable::next_remembered(std::size_t group) const noexcept {
  const Group& g = groups_[group];
  const std::uint32_t bits = g.remembered;
  if (bits == 0) return std::nullopt;
  const std::uint32_t from_hand = bits & (~0U << g.hand);
  return lowest_slot(group, from_hand != 0 ? from_hand : bits);
}

std::optional<Slot> AttemptTable::free_or_remembered(std::size_t group) const noexcept {
  const auto slot = free_slot(group);
  return slot ? slot : next_remembered(group);
}

std::optional<Slot> AttemptTable::oldest_pending(std::size_t a, std::size_t b) const noexcept {
  std::optional<Slot> oldest;
  const auto before = [this](Slot x, Slot y) {
    const auto rank = [this](Slot s) {
      return std::pair((*this)[s].handshake.phase != Phase::syn_sent, (*this)[s].first_syn);
    };
    return rank(x) < rank(y);
  };
  for (const std::size_t group : {a, b}) {
    for (std::size_t i = 0; i < kGroupSlots; ++i) {
      const auto slot = slot_at(group, i);
      if (groups_[group].tags[i] == 0 || is_remembered(slot)) continue;
      if (!oldest || before(slot, *oldest)) oldest = slot;
    }
  }
  return oldest;
}

// Moves one attempt of a full group to the other group it may live in; where that is full, too, one
// of the other group's attempts moves on first.
std::optional<Slot> AttemptTable::make_room(std::size_t group, int depth) noexcept {
  for (std::size_t i = 0; i < kGroupSlots; ++i) {
    const auto slot = slot_at(group, i);
    const auto elsewhere = other_group(slot);
    const auto room = elsewhere ? free_slot(*elsewhere) : std::nullopt;
    if (!room) continue;
    move(slot, *room);
    return slot;
  }
  if (depth == 0) return std::nullopt;
  for (std::size_t i = 0; i < kGroupSlots; ++i) {
    const auto slot = slot_at(group, i);
    const auto elsewhere = other_group(slot);
    const auto room = elsewhere ? make_room(*elsewhere, depth - 1) : std::nullopt;
    if (!room) continue;
    move(slot, *room);
    return slot;
  }
  return std::nullopt;
}

// The other group that the attempt in `slot` may live in, unless too many of its group are away.
std::optional<std::size_t> AttemptTable::other_group(Slot slot) const noexcept {
  const std::uint64_t h = hash_((*this)[slot].key);
  const std::size_t first = first_group(h);
  if (is_guest(slot)) return first;
  if (groups_[first].away == kMostAway) return std::nullopt;
  return second_group(h);
}

AttemptTable::Place AttemptTable::place(std::uint64_t hash, bool force_eviction) noexcept {
  const std::size_t first = first_group(hash);
  // With as many keys away as can be counted, the first group is the only choice.
  const std::size_t second = groups_[first].away < kMostAway ? second_group(hash) : first;
  if (force_eviction) {
    if (const auto slot = oldest_pending(first, second)) return {*slot, true};
  }
  for (const std::size_t group : {first, second}) {
    if (const auto slot = free_or_remembered(group)) return {*slot, false};
  }
  for (const std::size_t group : {first, second}) {
    if (const auto slot = make_room(group, 1)) return {*slot, false};
  }
  return {*oldest_pending(first, second), true};
}

void AttemptTable::settle(std::uint64_t hash, Slot slot) noexcept {
  const std::size_t first = first_group(hash);
  if (slot / kGroupSlots == first) return;
  Group& host = groups_[slot / kGroupSlots];
  Group& home = groups_[first];
  host.guests = (host.guests | 1U << (slot % kGroupSlots)) & 0x3ff;
  home.away = (home.away + 1U) & kMostAway;
}

void AttemptTable::unsettle(Slot slot) noexcept {
  if (!is_guest(slot)) return;
  Group& host = groups_[slot / kGroupSlots];
  Group& home = groups_[first_group(hash_((*this)[slot].key))];
  host.guests = (host.guests & ~(1U << (slot % kGroupSlots))) & 0x3ff;
  home.away = (home.away - 1U) & kMostAway;
}

Attempt& AttemptTable::put(Slot slot, const FlowKey& key, std::uint64_t hash) noexcept {
  erase(slot);
  Group& g = groups_[slot / kGroupSlots];
  const auto index = static_cast<std::uint16_t>(slot % kGroupSlots);
  g.tags[index] = tag_of(hash);
  g.hand = (index + 1U) % kGroupSlots & 0x3f;
  settle(hash, slot);
  ++pending_;
  Attempt& attempt = (*this)[slot];
  attempt = Attempt{};
  attempt.key = key;
  return attempt;
}

void AttemptTable::erase(Slot slot) noexcept {
  Group& g = groups_[slot / kGroupSlots];
  const std::size_t i = slot % kGroupSlots;
  if (g.tags[i] == 0) return;
  unsettle(slot);
  if (is_remembered(slot)) {
    --remembered_;
  } else {
    --pending_;
  }
  g.tags[i] = 0;
  g.remembered = (g.remembered & ~(1U << i)) & 0x3ff;
}

void AttemptTable::move(Slot from, Slot to) noexcept {
  Group& source = groups_[from / kGroupSlots];
  Group& target = groups_[to / kGroupSlots];
  const std::size_t i = from % kGroupSlots;
  const std::size_t j = to % kGroupSlots;
  const std::uint64_t h = hash_((*this)[from].key);
  unsettle(from);
  settle(h, to);
  (*this)[to] = (*this)[from];
  target.tags[j] = std::exchange(source.tags[i], std::uint16_t{0});
  target.deadlines[j] = source.deadlines[i];
  const unsigned bit = is_remembered(from) ? 1U : 0U;
  source.remembered = (source.remembered & ~(1U << i)) & 0x3ff;
  target.remembered = (target.remembered | (bit << j)) & 0x3ff;
}

void AttemptTable::set_remembered(Slot slot) noexcept {
  if (is_remembered(slot)) return;
  Group& g = groups_[slot / kGroupSlots];
  g.remembered = (g.remembered | (1U << (slot % kGroupSlots))) & 0x3ff;
  --pending_;
  ++remembered_;
}

bool AttemptTable::consistent() const noexcept {
  std::uint64_t pending = 0;
  std::uint64_t remembered = 0;
  std::uint64_t away_expected = 0;
  std::uint64_t away_counted = 0;
  for (Slot slot = 0; slot < groups_.size() * kGroupSlots; ++slot) {
    const Group& g = groups_[slot / kGroupSlots];
    if (slot % kGroupSlots == 0) away_counted += g.away;
    if (g.tags[slot % kGroupSlots] == 0) continue;
    const std::uint64_t h = hash_((*this)[slot].key);
    const std::size_t group = slot / kGroupSlots;
    if (group != first_group(h) && group != second_group(h)) return false;
    if (find((*this)[slot].key, h) != slot) return false;
    const bool guest = group != first_group(h);
    if (guest != is_guest(slot)) return false;
    if (guest) ++away_expected;
    const bool kept = is_remembered(slot);
    if (kept == (*this)[slot].pending()) return false;
    ++(kept ? remembered : pending);
  }
  return pending == pending_ && remembered == remembered_ && away_expected == away_counted;
}

}  // namespace tcpeek::flowtable
