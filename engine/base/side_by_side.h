// Calls that mostly wait for the kernel, made by several threads at once.
//
// Thread contract: side_by_side() returns when all of its threads have ended. Tasks must be safe to
// run at the same time.
// Bounds: kMostSideBySide threads, fewer where few tasks would share the cost of making one or the
// system refuses more; the caller's own is always one of them.
// Errors: what a task throws first; tasks that have not begun by then never do.
#pragma once

#include <cstddef>
#include <functional>

namespace tcpeek::engine {

inline constexpr std::size_t kMostSideBySide = 16;

// task(0) to task(count - 1), in no order.
void side_by_side(std::size_t count, const std::function<void(std::size_t)>& task);

}  // namespace tcpeek::engine
