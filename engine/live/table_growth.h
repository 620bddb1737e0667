// When a reader's table takes its memory: page by page at first, and all of it once more than one slot in a hundred is
// in use. Below that, empty pages go back once a minute: hashes are random, so a quiet host would otherwise come to
// touch every page.
//
// Taking a page is a fault of a microsecond in the middle of a batch. That is bounded: from one attempt in a
// hundred slots on, a step of half a megabyte is taken after each round, and after a hundred rounds or so no page
// is left to be taken. What was taken in this way stays.
//
// Thread contract: a plain value, used by one reader, between two batches.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "flowtable/table.h"
#include "flowtable/time.h"

namespace tcpeek::engine {

class TableGrowth {
 public:
  static constexpr std::size_t kSlotsAnAttempt = 100;
  static constexpr std::chrono::minutes kBetweenTrims{1};
  static constexpr std::size_t kGroupsAtOnce = 512;

  // One step; true: there is more to do. `tracker` is a flowtable::Tracker.
  template <class Tracker>
  bool work(Tracker& tracker, flowtable::PacketTime now) noexcept {
    const flowtable::AttemptTable& table = tracker.table();
    if (table.memory_taken()) [[likely]]
      return false;
    const std::size_t slots = table.group_count() * flowtable::AttemptTable::kGroupSlots;
    const std::size_t attempts = table.pending() + table.remembered();
    growing_ = growing_ || attempts * kSlotsAnAttempt > slots;
    return growing_ ? tracker.take_memory() : trim(tracker, attempts, now);
  }

 private:
  template <class Tracker>
  bool trim(Tracker& tracker, std::size_t attempts, flowtable::PacketTime now) noexcept {
    if (!used_) since_ = now;
    used_ = used_ || attempts != 0;
    const bool due = used_ && (attempts == 0 || now - since_ >= kBetweenTrims);
    if (at_ == 0 && !due) return false;
    tracker.give_back_memory(at_, kGroupsAtOnce);
    at_ += kGroupsAtOnce;
    if (at_ < tracker.table().group_count()) return true;
    at_ = 0;
    since_ = now;
    used_ = attempts != 0;
    return false;
  }

  bool growing_ = false;
  bool used_ = false;              // since the last trim
  std::size_t at_ = 0;             // the group that is looked at next; 0: none
  flowtable::PacketTime since_{};  // the last trim, or what came first after it
};

}  // namespace tcpeek::engine
