// Shows the thread sanitizer the one ordering in moodycamel's queues that it cannot see.
//
// A queue that reuses a block has seen by relaxed loads that all its elements were taken, and orders
// itself after those loads with atomic_thread_fence (concurrentqueue.h, Block::is_empty). The sanitizer
// does not model fences: it reports writing the new element as a race with reading the old one.
//
// So the consumer calls `taken` after taking an element, and the producer makes a `Putting` before putting
// one. That orders more than the queue does, which orders reused blocks only: if a receiver passed data
// back to its sender outside the queue, the sanitizer would not report a race there. An element taken
// while the producer is already putting the next cannot be ordered so: what the producer writes then, all
// of it the queue's own, is not checked. From sender to receiver the sanitizer sees the queue's ordering.
//
// In other builds both do nothing.
#pragma once

#ifdef TCPEEK_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>

// Of the sanitizer's runtime, which declares them nowhere.
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace tcpeek::engine::tsan_queue_order {

// `queue` is an address by which the sanitizer identifies this queue.
#ifdef TCPEEK_THREAD_SANITIZER
inline void taken(void* queue) noexcept {
  __tsan_release(queue);
}
class Putting {
 public:
  explicit Putting(void* queue) noexcept {
    __tsan_acquire(queue);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Putting() { AnnotateIgnoreWritesEnd(__FILE__, __LINE__); }
  Putting(const Putting&) = delete;
  Putting& operator=(const Putting&) = delete;
};
#else
inline void taken(void* /*queue*/) noexcept {}
struct Putting {
  explicit Putting(void* /*queue*/) noexcept {}
};
#endif

}  // namespace tcpeek::engine::tsan_queue_order
