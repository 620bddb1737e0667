// The replies of the 2012 original, byte for byte: its clients read them by position. A JSON
// library would not keep the one irregular space ("reject":0, "unreach":0), so the text is written
// here.
//
// GET has the totals since the start, REFRESH the differences since the last REFRESH by any client. Both
// have only success and failure: aborted attempts count as rejected, evicted and pending ones in no
// member.
//
// Thread contract: get_reply is pure; a RefreshMarks belongs to one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "ipc/snapshot.h"

namespace tcpeek::ipc {

[[nodiscard]] std::string get_reply(const Snapshot& snapshot);

// What the last REFRESH reported. One mark per filter, found by name, so filters may be added, removed
// and reordered between two calls.
class RefreshMarks {
 public:
  // The differences, without the members `unreach` (added to reject) and `pcap`. Moves the marks.
  // Of another filter under the same name (FilterStats::since), and of one whose counts fell, all counts are
  // new; no difference is negative.
  [[nodiscard]] std::string refresh_reply(const Snapshot& snapshot);

 private:
  struct Mark {
    std::uint32_t filter_since = 0;
    std::uint64_t success = 0;
    std::uint64_t dup_syn = 0;
    std::uint64_t dup_synack = 0;
    std::uint64_t timed_out = 0;
    std::uint64_t rejected = 0;  // unreachable included
  };

  static Mark mark_of(const FilterStats& filter) noexcept;
  static Mark since(const Mark& now, const Mark& before) noexcept;

  std::map<std::string, Mark> marks_;  // the filters of the last snapshot, no others
};

}  // namespace tcpeek::ipc
