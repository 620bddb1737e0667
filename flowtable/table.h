// The flow table: attempts of one reader, found by their 4-tuple. Fixed size, allocated at start.
//
// How it works: slots stand in groups of ten. A group begins with its index: a 16-bit tag of each
// slot's hash, which slots are only remembered, which are guests, how many of the group's own keys are
// away, and each slot's deadline; the attempts follow. A key belongs to its first group; when that is
// full, it is a guest of its second. So a look-up reads the tags of one group, and of one more only if
// some key of the first is away; attempts are read only where a tag matches. Nothing is linked: expiry
// sweeps the deadlines, and erasing writes a zero tag.
//
// A new attempt takes, in this order: a free slot of its first group; a slot there that is only
// remembered, going round, so that it is the one taken longest ago; the same in its second group; one
// made free by moving an attempt to its other group; the slot of the oldest unanswered attempt of both
// (the caller counts that one as evicted).
//
// Invariants: a key is in at most one slot; a slot is in its key's first or second group; a slot is a
// guest's exactly if that is its second; `away` of a group is the number of guests elsewhere whose
// first group it is.
// Thread contract: one reader owns a table. Nothing here allocates, locks or throws after
// construction.
// Units: deadlines are ticks of 2^20 ns since the packet clock's epoch, modulo 2^32 (52 days).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "flowtable/attempt.h"
#include "flowtable/key_hash.h"
#include "flowtable/page_array.h"

namespace tcpeek::flowtable {

// A moment in the table's own coarse time.
struct Tick {
  std::uint32_t value = 0;

  static constexpr int kShift = 20;  // 1.05 ms

  // The first tick at or after `t`, and the last one at or before it.
  [[nodiscard]] static Tick not_before(PacketTime t) noexcept {
    const std::int64_t ns = t.time_since_epoch().count() + ((std::int64_t{1} << kShift) - 1);
    return {static_cast<std::uint32_t>(ns >> kShift)};
  }
  [[nodiscard]] static Tick at(PacketTime t) noexcept {
    return {static_cast<std::uint32_t>(t.time_since_epoch().count() >> kShift)};
  }
  [[nodiscard]] bool reached_at(Tick now) const noexcept {
    return static_cast<std::int32_t>(now.value - value) >= 0;
  }
};

using Slot = std::uint32_t;

class AttemptTable {
 public:
  // Room for `capacity` pending attempts (at least 1).
  AttemptTable(std::uint64_t capacity, const KeyHash::Secret& secret);

  [[nodiscard]] std::uint64_t hash(const FlowKey& key) const noexcept { return hash_(key); }
  void prefetch(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&groups_[first_group(hash)]);
  }
  // Second step, once the line of prefetch() is there: the attempt a look-up will read; if none,
  // and `opening`, the free slot that a new one will take.
  void prefetch_slot(std::uint64_t hash, bool opening) const noexcept;

  [[nodiscard]] std::optional<Slot> find(const FlowKey& key, std::uint64_t hash) const noexcept;

  // What place() found for a new attempt.
  struct Place {
    Slot slot = 0;
    bool evicts = false;  // `slot` holds a pending attempt that has to end first
  };
  // Does not write; follow it with put(). `force_eviction` asks for a pending attempt's slot even
  // if others are free; where there is none, the place does not evict.
  [[nodiscard]] Place place(std::uint64_t hash, bool force_eviction) noexcept;

  // Writes a new pending attempt into a place, whatever was there.
  Attempt& put(Slot slot, const FlowKey& key, std::uint64_t hash) noexcept;
  void erase(Slot slot) noexcept;

  [[nodiscard]] Attempt& operator[](Slot slot) noexcept {
    return groups_[slot / kGroupSlots].attempts[slot % kGroupSlots];
  }
  [[nodiscard]] const Attempt& operator[](Slot slot) const noexcept {
    return groups_[slot / kGroupSlots].attempts[slot % kGroupSlots];
  }

  // The attempt has its outcome: from now on it gives way to pending ones.
  void set_remembered(Slot slot) noexcept;
  void set_deadline(Slot slot, Tick deadline) noexcept {
    groups_[slot / kGroupSlots].deadlines[slot % kGroupSlots] = deadline.value;
  }
  [[nodiscard]] Tick deadline(Slot slot) const noexcept {
    return {groups_[slot / kGroupSlots].deadlines[slot % kGroupSlots]};
  }

  // Calls fn(slot) for each slot of `groups` groups, from group `start` on, whose deadline `now`
  // has reached. fn may erase that slot.
  template <class Fn>
  void sweep(std::size_t start, std::size_t groups, Tick now, Fn&& fn) noexcept {
    for (std::size_t g = start; g < start + groups; ++g) {
      if (g + kSweepAhead < groups_.size()) prefetch_index(g + kSweepAhead);
      for (std::size_t i = 0; i < kGroupSlots; ++i) {
        if (groups_[g].tags[i] != 0 && Tick{groups_[g].deadlines[i]}.reached_at(now)) {
          fn(static_cast<Slot>(g * kGroupSlots + i));
        }
      }
    }
  }

  [[nodiscard]] std::size_t group_count() const noexcept { return groups_.size(); }
  [[nodiscard]] std::uint64_t pending() const noexcept { return pending_; }
  [[nodiscard]] std::uint64_t remembered() const noexcept { return remembered_; }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return groups_.size() * sizeof(Group); }

  // Recounts everything from the slots and compares; for tests.
  [[nodiscard]] bool consistent() const noexcept;

  static constexpr std::size_t kGroupSlots = 10;

 private:
  static constexpr std::size_t kSweepAhead = 8;

  void prefetch_index(std::size_t group) const noexcept {
    const auto* index = reinterpret_cast<const char*>(&groups_[group]);
    __builtin_prefetch(index);
    __builtin_prefetch(index + offsetof(Group, attempts) - 1);
  }

  // Tags stand first: at any alignment of 32 bytes a look-up reads one line of them. Deadlines and
  // attempts follow at once: they lie in the same page, and in a virtual machine the walk to another
  // page costs more than the line.
  struct alignas(32) Group {
    std::array<std::uint16_t, kGroupSlots> tags;  // 0: free
    std::uint16_t remembered : 10;                // a bit for each slot
    std::uint16_t hand : 6;                       // the slot after the one taken last
    std::uint16_t guests : 10;                    // a bit for each slot
    std::uint16_t away : 6;
    std::array<std::uint32_t, kGroupSlots> deadlines;
    std::array<Attempt, kGroupSlots> attempts;
  };
  static_assert(sizeof(Group) == kGroupSlots * sizeof(Attempt) + 64,
                "86.4 bytes an attempt, no padding");
  static constexpr std::uint16_t kMostAway = 63;  // beyond it no key of the group becomes a guest

  // The slots of a group whose tag is `tag`, a bit for each.
  [[nodiscard]] static std::uint32_t match(const Group& group, std::uint16_t tag) noexcept;

  [[nodiscard]] static std::uint16_t tag_of(std::uint64_t hash) noexcept {
    const auto tag = static_cast<std::uint16_t>(hash);
    return tag != 0 ? tag : 1;
  }
  [[nodiscard]] std::size_t scale(std::uint32_t bits) const noexcept {
    return static_cast<std::size_t>((std::uint64_t{bits} * groups_.size()) >> 32);
  }
  [[nodiscard]] std::size_t first_group(std::uint64_t hash) const noexcept {
    return scale(static_cast<std::uint32_t>(hash >> 32));
  }
  [[nodiscard]] std::size_t second_group(std::uint64_t hash) const noexcept;
  [[nodiscard]] std::optional<Slot> find_in(std::size_t group, std::uint16_t tag,
                                            const FlowKey& key) const noexcept;
  [[nodiscard]] std::optional<Slot> free_slot(std::size_t group) const noexcept;
  [[nodiscard]] std::optional<Slot> next_remembered(std::size_t group) const noexcept;
  [[nodiscard]] std::optional<Slot> free_or_remembered(std::size_t group) const noexcept;
  [[nodiscard]] std::optional<Slot> make_room(std::size_t group, int depth) noexcept;
  [[nodiscard]] std::optional<std::size_t> other_group(Slot slot) const noexcept;
  [[nodiscard]] std::optional<Slot> oldest_pending(std::size_t a, std::size_t b) const noexcept;
  [[nodiscard]] bool is_remembered(Slot slot) const noexcept {
    return (groups_[slot / kGroupSlots].remembered & (1U << (slot % kGroupSlots))) != 0;
  }
  [[nodiscard]] bool is_guest(Slot slot) const noexcept {
    return (groups_[slot / kGroupSlots].guests & (1U << (slot % kGroupSlots))) != 0;
  }
  void move(Slot from, Slot to) noexcept;
  // A key takes a slot, or leaves it: keeps guests and away true.
  void settle(std::uint64_t hash, Slot slot) noexcept;
  void unsettle(Slot slot) noexcept;

  KeyHash hash_;
  std::uint64_t capacity_;
  PageArray<Group> groups_;
  std::uint64_t pending_ = 0;
  std::uint64_t remembered_ = 0;
};

}  // namespace tcpeek::flowtable
