// What the flow table does when a group is full; table.h describes the layout.

#include "flowtable/table.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

#include "flowtable/victim_search.h"

namespace tcpeek::flowtable {
namespace {

// Ten-slot groups with two choices and two moves take random keys without evicting when 93% full
// (the tests fill a million).
constexpr std::uint64_t groups_for(std::uint64_t capacity) noexcept {
  constexpr std::uint64_t kLoadPercent = 93;
  const std::uint64_t slots = capacity * 100 / kLoadPercent + 1;
  const std::uint64_t groups = (slots + AttemptTable::kGroupSlots - 1) / AttemptTable::kGroupSlots;
  return std::max<std::uint64_t>(groups, 2);
}

template <class T>
PageArray<T> pages(std::size_t size, TableMemory memory) {
  if (memory == TableMemory::at_once) return PageArray<T>(size);
  return PageArray<T>(size, typename PageArray<T>::Untouched());
}

}  // namespace

AttemptTable::AttemptTable(std::uint64_t capacity, const KeyHash::Secret& secret,
                           TableMemory memory)
    : hash_(secret),
      capacity_(std::max<std::uint64_t>(capacity, 1)),
      groups_(pages<Group>(groups_for(capacity_), memory)),
      notes_(pages<std::uint16_t>(groups_.size() * kGroupSlots, memory)),
      written_(groups_.size()) {}

// Of an empty group nothing else matters than the count of its keys that are elsewhere.
bool AttemptTable::holds_nothing(std::size_t group) const noexcept {
  return match(groups_[group], 0) == kAllSlots && groups_[group].away == 0;
}

void AttemptTable::give_back_memory(std::size_t start, std::size_t groups) noexcept {
  const std::size_t end = std::min(start + groups, groups_.size());
  count_all_back();
  std::size_t empty_from = start;
  written_.for_each_marked(start, end, [&](std::size_t first, std::size_t next) {
    const bool all_of_mark = first % WrittenGroups::kGroupsAMark == 0 &&
                             (next % WrittenGroups::kGroupsAMark == 0 || next == groups_.size());
    const std::size_t before = empty_from;
    for (std::size_t g = first; g < next; ++g) {
      if (holds_nothing(g)) continue;
      groups_.give_back(empty_from, g);
      empty_from = g + 1;
    }
    if (all_of_mark && empty_from == before) written_.unmark(first);
  });
  groups_.give_back(empty_from, end);
}

std::uint64_t AttemptTable::memory_for(std::uint64_t capacity) noexcept {
  return groups_for(std::max<std::uint64_t>(capacity, 1)) * kGroupBytes;
}

std::uint32_t AttemptTable::second_group(std::uint64_t hash) const noexcept {
  const std::uint32_t first = first_group(hash);
  const std::uint32_t second = scale(static_cast<std::uint32_t>(hash));
  if (second != first) return second;
  return first + 1 < groups_.size() ? first + 1 : 0;
}

// By deadlines, which are in the index.
Slot AttemptTable::victim(std::uint32_t a, std::uint32_t b) const noexcept {
  static_assert(kGroupSlots == VictimSearch::kGroupSlots);
  const std::uint32_t in_a = pending_slots(a);
  const std::uint32_t candidates = in_a | pending_slots(b) << kGroupSlots;
  if (candidates == 0) return {};
  const std::uint32_t found =
      VictimSearch::find(groups_[a].deadlines, groups_[b].deadlines, candidates);
  return found < kGroupSlots ? Slot{a, found} : Slot{b, found - kGroupSlots};
}

// Frees a slot of a group full of pending attempts by moving one to its other group, into a free slot or
// one that is only remembered; where all there are pending, too, one of those is moved first.
Slot AttemptTable::free_by_moving(std::uint32_t group, int depth) noexcept {
  for (std::uint32_t i = 0; i < kGroupSlots; ++i) {
    const Slot slot{group, i};
    const auto elsewhere = other_group(slot);
    const Slot room = elsewhere ? free_or_remembered(*elsewhere) : Slot();
    if (!room) continue;
    erase(room);
    move(slot, room);
    return slot;
  }
  if (depth == 0) return {};
  for (std::uint32_t i = 0; i < kGroupSlots; ++i) {
    const Slot slot{group, i};
    const auto elsewhere = other_group(slot);
    const Slot room = elsewhere ? free_by_moving(*elsewhere, depth - 1) : Slot();
    if (!room) continue;
    move(slot, room);
    return slot;
  }
  return {};
}

// The other group that the attempt in `slot` may live in, unless too many of its group are away.
std::optional<std::uint32_t> AttemptTable::other_group(Slot slot) const noexcept {
  const Home h = home((*this)[slot].key);
  if (is_guest(slot)) return h.group;
  if (groups_[h.group].away == kMostAway) return std::nullopt;
  return second_group(h.hash);
}

AttemptTable::Place AttemptTable::search_place(const Home& home, bool force_eviction) noexcept {
  const std::uint32_t first = home.group;
  // Once `away` is at its maximum, the first group is the only choice.
  const std::uint32_t second = groups_[first].away < kMostAway ? second_group(home.hash) : first;
  if (force_eviction) {
    if (const Slot slot = victim(first, second)) return {slot, true};
  }
  for (const std::uint32_t group : {first, second}) {
    if (const Slot slot = free_or_remembered(group)) return {slot, false};
  }
  for (const std::uint32_t group : {first, second}) {
    if (const Slot slot = free_by_moving(group, 1)) return {slot, false};
  }
  return {victim(first, second), true};
}

void AttemptTable::settle_guest(const Home& home, Slot slot) noexcept {
  Group& host = groups_[slot.group()];
  Group& first = groups_[home.group];
  host.guests = (host.guests | 1U << slot.index()) & kAllSlots;
  first.away = (first.away + 1U) & kMostAway;
}

void AttemptTable::unsettle_guest(Slot slot) noexcept {
  Group& host = groups_[slot.group()];
  host.guests = (host.guests & ~(1U << slot.index())) & kAllSlots;
  const std::uint32_t first = home((*this)[slot].key).group;
  __builtin_prefetch(&groups_[first], 1);
  count_back(std::exchange(left_[next_left_], first));
  next_left_ = (next_left_ + 1) % left_.size();
}

void AttemptTable::count_back(std::uint32_t group) noexcept {
  if (group == kNoGroup) return;
  groups_[group].away = (groups_[group].away - 1U) & kMostAway;
}

void AttemptTable::count_all_back() noexcept {
  for (std::uint32_t& group : left_) count_back(std::exchange(group, kNoGroup));
}

void AttemptTable::move(Slot from, Slot to) noexcept {
  Group& source = groups_[from.group()];
  Group& target = groups_[to.group()];
  written_.mark(to.group());
  const Home h = home((*this)[from].key);
  if (is_guest(from)) unsettle_guest(from);
  if (to.group() != h.group) settle_guest(h, to);
  (*this)[to] = (*this)[from];
  note(to) = note(from);
  target.tags[to.index()] = std::exchange(source.tags[from.index()], std::uint16_t{0});
  target.deadlines[to.index()] = source.deadlines[from.index()];
  const unsigned bit = is_remembered(from) ? 1U : 0U;
  source.remembered = (source.remembered & ~(1U << from.index())) & kAllSlots;
  target.remembered = (target.remembered | bit << to.index()) & kAllSlots;
}

bool AttemptTable::consistent() const noexcept {
  std::uint64_t pending = 0;
  std::uint64_t remembered = 0;
  std::uint64_t away_expected = static_cast<std::uint64_t>(
      left_.size() - static_cast<std::size_t>(std::ranges::count(left_, kNoGroup)));
  std::uint64_t away_counted = 0;
  for (std::uint32_t group = 0; group < groups_.size(); ++group) {
    away_counted += groups_[group].away;
    if (!written_.marked(group) && !holds_nothing(group)) return false;
    for (std::uint32_t i = 0; i < kGroupSlots; ++i) {
      if (groups_[group].tags[i] == 0) continue;
      const Slot slot{group, i};
      const Home h = home((*this)[slot].key);
      if (group != h.group && group != second_group(h.hash)) return false;
      if (find((*this)[slot].key, h) != slot) return false;
      const bool guest = group != h.group;
      if (guest != is_guest(slot)) return false;
      if (guest) ++away_expected;
      const bool kept = is_remembered(slot);
      if (kept == (*this)[slot].pending()) return false;
      ++(kept ? remembered : pending);
    }
  }
  return pending == pending_ && remembered == remembered_ && away_expected == away_counted;
}

}  // namespace tcpeek::flowtable
