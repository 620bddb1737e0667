// The flow table: attempts of one reader, found by their 4-tuple. Fixed size, allocated at start.
//
// How it works: slots are in groups of ten. A group begins with its index: a 16-bit tag of each slot's
// hash, which slots are only remembered, which hold guests, how many of the group's own keys are away,
// and each slot's deadline with a bit for answered; the attempts follow. The observer's note for each slot is in an array
// of its own. A key belongs to its first group; when that is full, it is a guest of its second. So a look-up reads the tags of one group, and of
// one more only if some key of the first is away; attempts are read only where a tag matches. Nothing is
// linked: expiry sweeps the deadlines, and erasing writes a zero tag.
//
// A new attempt takes, in this order: a free slot of its first group; a slot there that is only
// remembered, round-robin, so that it is the one taken longest ago; the same in its second group; one
// freed by moving attempts to their other groups; the slot of a pending attempt of both groups, which the
// caller counts as evicted: of the answered or the unanswered ones, whichever are more, the one that has
// been silent longest. So a flood of either kind pushes out its own. In a flood every SYN needs this last
// slot: it is found in the two indexes, without reading an attempt.
//
// Invariants: a key is in at most one slot; a slot is in its key's first or second group, and a guest's
// exactly if that is its second; `away` of a group counts the guests elsewhere whose first group it is, and for a short
// while the last few that have left (then a look-up reads a group too many).
// Thread contract: one reader owns a table. Nothing here allocates, locks or throws once it is made.
// Units: deadlines are ticks of 2^21 ns since the packet clock's epoch, modulo 2^31 (52 days).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "flowtable/attempt.h"
#include "flowtable/key_hash.h"
#include "flowtable/page_array.h"
#include "flowtable/slot.h"
#include "flowtable/tick.h"
#include "flowtable/written_groups.h"

namespace tcpeek::flowtable {

class AttemptTable {
 public:
  // Room for `capacity` pending attempts (at least 1).
  AttemptTable(std::uint64_t capacity, const KeyHash::Secret& secret,
               TableMemory memory = TableMemory::at_once);

  // Of a table whose memory grows, which takes it page by page as slots are used. One step of taking all the
  // rest; false: all has been taken.
  bool take_memory() noexcept { return groups_.take_more() || notes_.take_more(); }
  [[nodiscard]] bool memory_taken() const noexcept { return groups_.taken() && notes_.taken(); }
  // Pages of these groups that hold no attempt go back to the kernel.
  void give_back_memory(std::size_t start, std::size_t groups) noexcept;

  // Where a key belongs: computed once for each segment, for all that follows.
  struct Home {
    std::uint64_t hash = 0;
    std::uint32_t group = 0;
  };
  [[nodiscard]] Home home(const FlowKey& key) const noexcept {
    const std::uint64_t hash = hash_(key);
    return {hash, first_group(hash)};
  }

  void prefetch(const Home& home) const noexcept { __builtin_prefetch(&groups_[home.group]); }
  // Of a full table: a new attempt may need a slot of either group, by its deadline.
  void prefetch_both(const Home& home) const noexcept {
    prefetch_index(home.group);
    prefetch_second(home);
  }
  void prefetch_second(const Home& home) const noexcept { prefetch_index(second_group(home.hash)); }
  // Second step, once the lines of the first have arrived: the attempt that a look-up will read. False if
  // there is none.
  [[nodiscard]] bool prefetch_found(const Home& home) const noexcept;
  // ... and if a new one begins, the slot that it will take.
  void prefetch_room(const Home& home) const noexcept;

  [[nodiscard]] Slot find(const FlowKey& key, const Home& home) const noexcept {
    const std::uint16_t tag = tag_of(home.hash);
    if (const Slot slot = find_in(home.group, tag, key)) return slot;
    if (groups_[home.group].away == 0) [[likely]]
      return {};
    return find_in(second_group(home.hash), tag, key);
  }

  // What place() found for a new attempt.
  struct Place {
    Slot slot;
    bool evicts = false;  // `slot` holds a pending attempt that has to end first
  };
  // Does not write; follow it with put(). `force_eviction` asks for a pending attempt's slot even
  // if others are free; if there is none, `evicts` is false.
  [[nodiscard]] Place place(const Home& home, bool force_eviction) noexcept {
    if (!force_eviction) {
      if (const Slot slot = free_or_remembered(home.group)) return {slot, false};
    }
    return search_place(home, force_eviction);
  }

  // Puts a new pending attempt there, whatever there was; the caller writes the time of its first SYN.
  Attempt& put(Slot slot, const FlowKey& key, const Home& home) noexcept;
  void erase(Slot slot) noexcept;

  [[nodiscard]] Attempt& operator[](Slot slot) noexcept {
    return groups_[slot.group()].attempts[slot.index()];
  }
  [[nodiscard]] const Attempt& operator[](Slot slot) const noexcept {
    return groups_[slot.group()].attempts[slot.index()];
  }

  // The observer's number for the attempt: 0 after put(), and it moves with the attempt.
  [[nodiscard]] std::uint16_t& note(Slot slot) noexcept { return notes_[note_index(slot)]; }
  [[nodiscard]] std::uint16_t note(Slot slot) const noexcept { return notes_[note_index(slot)]; }

  // The attempt has its outcome: from now on pending ones may replace it.
  void set_remembered(Slot slot) noexcept;
  // `answered`: of which kind it is when one has to be evicted.
  void set_deadline(Slot slot, Tick deadline, bool answered = false) noexcept {
    groups_[slot.group()].deadlines[slot.index()] = deadline.value << 1 | (answered ? 1U : 0U);
  }
  [[nodiscard]] Tick deadline(Slot slot) const noexcept {
    return {groups_[slot.group()].deadlines[slot.index()] >> 1};
  }
  [[nodiscard]] bool answered(Slot slot) const noexcept {
    return (groups_[slot.group()].deadlines[slot.index()] & 1U) != 0;
  }

  // Calls fn(slot) for each slot of `groups` groups, from group `start` on, whose deadline `now`
  // has reached. fn may erase that slot.
  template <class Fn>
  void sweep(std::size_t start, std::size_t groups, Tick now, Fn&& fn) noexcept {
    written_.for_each_marked(start, start + groups, [&](std::size_t first, std::size_t end) {
      for (std::size_t g = first; g < end; ++g) {
        if (g + kSweepAhead < groups_.size()) prefetch_index(g + kSweepAhead);
        for (std::uint32_t i = 0; i < kGroupSlots; ++i) {
          if (groups_[g].tags[i] != 0 && Tick{groups_[g].deadlines[i] >> 1}.reached_at(now)) {
            fn(Slot{static_cast<std::uint32_t>(g), i});
          }
        }
      }
    });
  }

  // Calls fn(slot) for each pending attempt; fn may put another of its key there.
  template <class Fn>
  void for_each_pending(std::size_t start, std::size_t groups, Fn&& fn) const noexcept;

  [[nodiscard]] std::size_t group_count() const noexcept { return groups_.size(); }
  [[nodiscard]] std::uint64_t pending() const noexcept { return pending_; }
  [[nodiscard]] std::uint64_t remembered() const noexcept { return remembered_; }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool full() const noexcept { return pending_ >= capacity_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return groups_.size() * kGroupBytes; }
  [[nodiscard]] static std::uint64_t memory_for(std::uint64_t capacity) noexcept;
  [[nodiscard]] bool consistent() const noexcept;  // recounts everything from the slots; for tests

  static constexpr std::uint32_t kGroupSlots = 10;

 private:
  static constexpr std::size_t kSweepAhead = 8;

  void prefetch_index(std::size_t group) const noexcept {
    const auto* index = reinterpret_cast<const char*>(&groups_[group]);
    __builtin_prefetch(index);
    __builtin_prefetch(index + offsetof(Group, attempts) - 1);
  }
  void prefetch_attempt(Slot slot) const noexcept {
    const auto* attempt = reinterpret_cast<const char*>(&(*this)[slot]);
    __builtin_prefetch(attempt, 1);
    __builtin_prefetch(attempt + sizeof(Attempt) - 1, 1);
    __builtin_prefetch(&notes_[note_index(slot)], 1);
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
    std::array<std::uint32_t, kGroupSlots> deadlines;  // tick << 1 | answered
    std::array<Attempt, kGroupSlots> attempts;
  };
  static_assert(sizeof(Group) == kGroupSlots * sizeof(Attempt) + 64,
                "86.4 bytes an attempt, no padding");
  // Notes are apart from the groups: inside, with what aligns them, they would take 96.3 bytes an attempt,
  // apart it is 95.05.
  static constexpr std::size_t kGroupBytes = sizeof(Group) + kGroupSlots * sizeof(std::uint16_t);
  [[nodiscard]] static std::size_t note_index(Slot slot) noexcept {
    return std::size_t{slot.group()} * kGroupSlots + slot.index();
  }
  static constexpr std::uint16_t kMostAway = 63;  // beyond it no key of the group becomes a guest

  static constexpr unsigned kAllSlots = (1U << kGroupSlots) - 1;

  // The slots of a group whose tag is `tag`, a bit for each.
  [[nodiscard]] static std::uint32_t match(const Group& group, std::uint16_t tag) noexcept;

  [[nodiscard]] bool holds_nothing(std::size_t group) const noexcept;

  [[nodiscard]] std::uint32_t pending_slots(std::uint32_t group) const noexcept {
    return kAllSlots & ~(match(groups_[group], 0) | groups_[group].remembered);
  }

  [[nodiscard]] static std::uint16_t tag_of(std::uint64_t hash) noexcept {
    const auto tag = static_cast<std::uint16_t>(hash);
    return tag != 0 ? tag : 1;
  }
  [[nodiscard]] std::uint32_t scale(std::uint32_t bits) const noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{bits} * groups_.size()) >> 32);
  }
  [[nodiscard]] std::uint32_t first_group(std::uint64_t hash) const noexcept {
    return scale(static_cast<std::uint32_t>(hash >> 32));
  }
  [[nodiscard]] std::uint32_t second_group(std::uint64_t hash) const noexcept;
  [[nodiscard]] Slot find_in(std::uint32_t group, std::uint16_t tag,
                             const FlowKey& key) const noexcept;
  [[nodiscard]] Slot free_or_remembered(std::uint32_t group) const noexcept;
  [[nodiscard]] Place search_place(const Home& home, bool force_eviction) noexcept;
  [[nodiscard]] Slot free_by_moving(std::uint32_t group, int depth) noexcept;
  [[nodiscard]] std::optional<std::uint32_t> other_group(Slot slot) const noexcept;
  [[nodiscard]] Slot victim(std::uint32_t a, std::uint32_t b) const noexcept;
  [[nodiscard]] bool is_remembered(Slot slot) const noexcept {
    return (groups_[slot.group()].remembered & (1U << slot.index())) != 0;
  }
  [[nodiscard]] bool is_guest(Slot slot) const noexcept {
    return (groups_[slot.group()].guests & (1U << slot.index())) != 0;
  }
  void move(Slot from, Slot to) noexcept;
  // A key takes a slot that is not its home's, or a guest leaves: keeps guests and away true.
  void settle_guest(const Home& home, Slot slot) noexcept;
  void unsettle_guest(Slot slot) noexcept;
  void count_back(std::uint32_t group) noexcept;
  void count_all_back() noexcept;

  KeyHash hash_;
  std::uint64_t capacity_;
  PageArray<Group> groups_;
  PageArray<std::uint16_t> notes_;  // one for each slot
  WrittenGroups written_;           // all that are not as they were made
  std::uint64_t pending_ = 0;
  std::uint64_t remembered_ = 0;
  // First groups of guests that have left, whose `away` is counted down once the line has come: where a guest is evicted
  // nothing has fetched it before, and waiting for it took a fifth of a flood's time (perf, nested VM).
  static constexpr std::uint32_t kNoGroup = ~0U;
  std::array<std::uint32_t, 4> left_{kNoGroup, kNoGroup, kNoGroup, kNoGroup};
  std::size_t next_left_ = 0;
};

}  // namespace tcpeek::flowtable

#include "flowtable/table_inline.h"
