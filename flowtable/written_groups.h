// Which groups of a table may hold something: a mark for eight of them, set when one is written and taken away
// when their memory goes back.
//
// What goes over the table leaves the others unread. Reading a page that was never written costs a fault, and
// memory too where the kernel has no shared page of zeros for it (mm_forbids_zeropage() in mm/memory.c): a sweep
// of a quiet host's table would take all of the table that the host does not need.
//
// Thread contract: as a std::vector.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tcpeek::flowtable {

class WrittenGroups {
 public:
  static constexpr std::size_t kGroupsAMark = 8;

  explicit WrittenGroups(std::size_t groups) : marks_((groups + kGroupsAMark - 1) / kGroupsAMark) {}

  void mark(std::size_t group) noexcept { marks_[group / kGroupsAMark] = 1; }
  [[nodiscard]] bool marked(std::size_t group) const noexcept {
    return marks_[group / kGroupsAMark] != 0;
  }
  // All groups of that mark are empty.
  void unmark(std::size_t group) noexcept { marks_[group / kGroupsAMark] = 0; }

  // Calls fn(first, end) for the groups of each mark, as far as they are in [start, end).
  template <class Fn>
  void for_each_marked(std::size_t start, std::size_t end, Fn&& fn) const noexcept {
    for (std::size_t first = start; first < end;) {
      const std::size_t next = std::min(end, (first / kGroupsAMark + 1) * kGroupsAMark);
      if (marked(first)) fn(first, next);
      first = next;
    }
  }

 private:
  std::vector<std::uint8_t> marks_;  // a byte each: written for every attempt
};

}  // namespace tcpeek::flowtable
