// Look-up, placing and erasing; the layout is told in table.h.

#include "flowtable/table.h"

#include <algorithm>
#include <cstring>

namespace tcpeek::flowtable {
namespace {

// Ten-slot groups with two choices and one move take random keys up to about 97% full; at 93% a
// table holds what was asked for without evicting.
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
      groups_(groups_for(capacity_)),
      attempts_(groups_.size() * kGroupSlots) {}

std::size_t AttemptTable::second_group(std::uint64_t hash) const noexcept {
  const std::size_t first = first_group(hash);
  const std::size_t second = scale(static_cast<std::uint32_t>(hash));
  if (second != first) return second;
  return first + 1 < groups_.size() ? first + 1 : 0;
}

std::optional<Slot> AttemptTable::find_in(std::size_t group, std::uint16_t tag,
                                          const FlowKey& key) const noexcept {
  const Group& g = groups_[group];
  for (std::size_t i = 0; i < kGroupSlots; ++i) {
    if (g.tags[i] != tag) continue;
    const auto slot = static_cast<Slot>(group * kGroupSlots + i);
    if (attempts_[slot].key == key) return slot;
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

void AttemptTable::prefetch_slot(std::uint64_t hash) const noexcept {
  const std::size_t group = first_group(hash);
  const Group& g = groups_[group];
  const std::uint16_t tag = tag_of(hash);
  for (std::size_t i = 0; i < kGroupSlots; ++i) {
    if (g.tags[i] != tag) continue;
    const auto* attempt = reinterpret_cast<const char*>(&attempts_[group * kGroupSlots + i]);
    __builtin_prefetch(attempt);
    __builtin_prefetch(attempt + sizeof(Attempt) - 1);
    return;
  }
  if (g.away != 0) __builtin_prefetch(&groups_[second_group(hash)]);
}

std::optional<Slot> AttemptTable::free_slot(std::size_t group) const noexcept {
  const auto& tags = groups_[group].tags;
  const auto it = std::find(tags.begin(), tags.end(), std::uint16_t{0});
  if (it == tags.end()) return std::nullopt;
  return static_cast<Slot>(group * kGroupSlots + static_cast<std::size_t>(it - tags.begin()));
}

// Remembered attempts all stay equally long: the earliest deadline is the earliest outcome.
std::optional<Slot> AttemptTable::oldest_remembered(std::size_t a, std::size_t b) const noexcept {
  std::optional<Slot> oldest;
  for (const std::size_t group : {a, b}) {
    if (groups_[group].remembered == 0) continue;
    for (std::size_t i = 0; i < kGroupSlots; ++i) {
      const auto slot = static_cast<Slot>(group * kGroupSlots + i);
      if (!is_remembered(slot)) continue;
      if (!oldest || !deadline(*oldest).reached_at(deadline(slot))) oldest = slot;
    }
  }
  return oldest;
}

std::optional<Slot> AttemptTable::oldest_pending(std::size_t a, std::size_t b) const noexcept {
  std::optional<Slot> oldest;
  const auto before = [this](Slot x, Slot y) {
    const auto rank = [this](Slot s) {
      return std::pair(attempts_[s].handshake.phase != Phase::syn_sent, attempts_[s].first_syn);
    };
    return rank(x) < rank(y);
  };
  for (const std::size_t group : {a, b}) {
    for (std::size_t i = 0; i < kGroupSlots; ++i) {
      const auto slot = static_cast<Slot>(group * kGroupSlots + i);
      if (groups_[group].tags[i] == 0 || is_remembered(slot)) continue;
      if (!oldest || before(slot, *oldest)) oldest = slot;
    }
  }
  return oldest;
}

// Moves one attempt of a full group to the other group it may live in.
std::optional<Slot> AttemptTable::make_room(std::size_t group) noexcept {
  for (std::size_t i = 0; i < kGroupSlots; ++i) {
    const auto slot = static_cast<Slot>(group * kGroupSlots + i);
    const std::uint64_t h = hash_(attempts_[slot].key);
    const std::size_t first = first_group(h);
    const std::size_t elsewhere = first == group ? second_group(h) : first;
    const auto room = free_slot(elsewhere);
    if (!room) continue;
    move(slot, *room);
    return slot;
  }
  return std::nullopt;
}

AttemptTable::Place AttemptTable::place(std::uint64_t hash, bool force_eviction) noexcept {
  const std::size_t first = first_group(hash);
  const std::size_t second = second_group(hash);
  if (force_eviction) {
    if (const auto slot = oldest_pending(first, second)) return {*slot, true};
  }
  if (const auto slot = free_slot(first)) return {*slot, false};
  if (const auto slot = free_slot(second)) return {*slot, false};
  if (const auto slot = oldest_remembered(first, second)) return {*slot, false};
  if (const auto slot = make_room(first)) return {*slot, false};
  if (const auto slot = make_room(second)) return {*slot, false};
  return {*oldest_pending(first, second), true};
}

void AttemptTable::account_away(std::uint64_t hash, Slot slot, int change) noexcept {
  const std::size_t first = first_group(hash);
  if (slot / kGroupSlots == first) return;
  groups_[first].away = static_cast<std::uint16_t>(groups_[first].away + change);
}

Attempt& AttemptTable::put(Slot slot, const FlowKey& key, std::uint64_t hash) noexcept {
  erase(slot);
  groups_[slot / kGroupSlots].tags[slot % kGroupSlots] = tag_of(hash);
  account_away(hash, slot, 1);
  ++pending_;
  Attempt& attempt = attempts_[slot];
  attempt = Attempt{};
  attempt.key = key;
  return attempt;
}

void AttemptTable::erase(Slot slot) noexcept {
  Group& g = groups_[slot / kGroupSlots];
  const std::size_t i = slot % kGroupSlots;
  if (g.tags[i] == 0) return;
  account_away(hash_(attempts_[slot].key), slot, -1);
  if (is_remembered(slot)) {
    --remembered_;
  } else {
    --pending_;
  }
  g.tags[i] = 0;
  g.remembered = static_cast<std::uint16_t>(g.remembered & ~(1U << i));
}

void AttemptTable::move(Slot from, Slot to) noexcept {
  Group& source = groups_[from / kGroupSlots];
  Group& target = groups_[to / kGroupSlots];
  const std::size_t i = from % kGroupSlots;
  const std::size_t j = to % kGroupSlots;
  const std::uint64_t h = hash_(attempts_[from].key);
  account_away(h, from, -1);
  account_away(h, to, 1);
  attempts_[to] = attempts_[from];
  target.tags[j] = std::exchange(source.tags[i], std::uint16_t{0});
  target.deadlines[j] = source.deadlines[i];
  const unsigned bit = (source.remembered >> i) & 1U;
  source.remembered = static_cast<std::uint16_t>(source.remembered & ~(1U << i));
  target.remembered = static_cast<std::uint16_t>(target.remembered | (bit << j));
}

void AttemptTable::set_remembered(Slot slot) noexcept {
  if (is_remembered(slot)) return;
  Group& g = groups_[slot / kGroupSlots];
  g.remembered = static_cast<std::uint16_t>(g.remembered | (1U << (slot % kGroupSlots)));
  --pending_;
  ++remembered_;
}

bool AttemptTable::consistent() const noexcept {
  std::uint64_t pending = 0;
  std::uint64_t remembered = 0;
  std::uint64_t away_expected = 0;
  std::uint64_t away_counted = 0;
  for (std::size_t slot = 0; slot < attempts_.size(); ++slot) {
    const Group& g = groups_[slot / kGroupSlots];
    if (slot % kGroupSlots == 0) away_counted += g.away;
    if (g.tags[slot % kGroupSlots] == 0) continue;
    const std::uint64_t h = hash_(attempts_[slot].key);
    const std::size_t group = slot / kGroupSlots;
    if (group != first_group(h) && group != second_group(h)) return false;
    if (find(attempts_[slot].key, h) != static_cast<Slot>(slot)) return false;
    if (group != first_group(h)) ++away_expected;
    const bool kept = is_remembered(static_cast<Slot>(slot));
    if (kept == attempts_[slot].pending()) return false;
    ++(kept ? remembered : pending);
  }
  return pending == pending_ && remembered == remembered_ && away_expected == away_counted;
}

}  // namespace tcpeek::flowtable
