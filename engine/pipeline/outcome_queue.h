// An outcome on its way from the reader that saw it to whoever listens, and the queue it travels
// in.
//
// Bounded: when the listener does not keep up, outcomes are counted as always but not told, and the
// reader counts how many.
//
// Thread contract: plain values; the queue has one producer (the reader) and one consumer (the
// reactor).
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "engine/base/tsan_queue_order.h"
#include "engine/filters/filter_matcher.h"
#include "flowtable/ending.h"
#include "flowtable/flow_key.h"

namespace tcpeek::engine {

struct Outcome {
  flowtable::Endpoint initiator;
  flowtable::Endpoint responder;
  std::chrono::nanoseconds first_syn{0};  // wall clock
  std::chrono::nanoseconds duration{0};
  flowtable::Ending ending;
  FilterTag tag;
  std::uint8_t directions = 0;
  std::uint16_t dup_syns = 0;
  std::uint16_t dup_synacks = 0;
  std::uint16_t interface = 0;
};

class OutcomeQueue {
 public:
  // Two seconds of 30,000 outcomes; more a terminal does not take either.
  static constexpr std::size_t kCapacity = 65536;

  // Without a listener the queue takes no memory and refuses everything.
  explicit OutcomeQueue(bool listening)
      : listening_(listening), queue_(listening ? kCapacity : 0), producer_(queue_) {}

  [[nodiscard]] bool listening() const noexcept { return listening_; }
  [[nodiscard]] bool push(const Outcome& outcome) noexcept {
    tsan_queue_order::about_to_put(&queue_);
    return queue_.try_enqueue(producer_, outcome);
  }
  [[nodiscard]] bool pop(Outcome& outcome) noexcept {
    if (!queue_.try_dequeue(outcome)) return false;
    tsan_queue_order::taken(&queue_);
    return true;
  }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size_approx(); }

 private:
  // A producer's index of blocks must hold the whole queue: growing it would allocate.
  struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
    static constexpr std::size_t EXPLICIT_INITIAL_INDEX_SIZE = kCapacity / BLOCK_SIZE;
  };

  bool listening_;
  moodycamel::ConcurrentQueue<Outcome, Traits> queue_;
  moodycamel::ProducerToken producer_;
};

}  // namespace tcpeek::engine
