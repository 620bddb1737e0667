// Tells the thread sanitizer of the one order in moodycamel's queues that it cannot see.
//
// A queue that takes a block into use again has seen by relaxed loads that all its elements were taken,
// and puts itself behind those readings by atomic_thread_fence (concurrentqueue.h, Block::is_empty). The
// sanitizer knows no fences: it takes the new element for a race with the reading of the old one.
//
// So whoever takes an element says so by `taken`, whoever puts one by `about_to_put`. That orders more than
// the queue does, which does it for a block used again only: of what a receiver might hand its sender beside
// the queue the sanitizer then says nothing. The way from sender to receiver is left to what the
// sanitizer sees of the queue itself.
//
// In other builds neither does anything.
#pragma once

#ifdef TCPEEK_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace tcpeek::engine::tsan_queue_order {

// `queue` is an address for the sanitizer to know this queue by.
#ifdef TCPEEK_THREAD_SANITIZER
inline void taken(void* queue) noexcept {
  __tsan_release(queue);
}
inline void about_to_put(void* queue) noexcept {
  __tsan_acquire(queue);
}
#else
inline void taken(void* /*queue*/) noexcept {}
inline void about_to_put(void* /*queue*/) noexcept {}
#endif

}  // namespace tcpeek::engine::tsan_queue_order
