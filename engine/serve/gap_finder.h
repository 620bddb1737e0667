// What watchers cannot know, from snapshots alone: outcomes that were counted and not told, as a reader's
// queue was full, and packets that were lost before they were read.
//
// Thread contract: one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "ipc/event_lines.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

class GapFinder {
 public:
  // What was lost since the last call.
  [[nodiscard]] std::vector<ipc::GapEvent> on_second(const ipc::Snapshot& snapshot);

 private:
  std::uint64_t outcomes_ = 0;  // told so far
  std::uint64_t packets_ = 0;
};

}  // namespace tcpeek::engine
