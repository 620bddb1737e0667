// What steering could not see lands on the wrong reader; it travels to the flow's owner in the
// owner's mailbox.
//
// Bounded: a full mailbox refuses; the sender counts the segment, the owner learns that it missed
// something. Segments of one sender arrive in order.
//
// Thread contract: any number of senders, each with its own Slip; one receiver.
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "flowtable/segment.h"

namespace tcpeek::engine {

class Mailbox {
 public:
  static constexpr std::size_t kCapacityPerSender = 1024;

  explicit Mailbox(std::size_t senders) : queue_(senders * kCapacityPerSender) {}

  // A sender's right to send; made at start, as making one allocates.
  using Slip = moodycamel::ProducerToken;
  [[nodiscard]] Slip slip() { return Slip(queue_); }

  [[nodiscard]] bool send(const Slip& slip, const flowtable::Segment& segment) noexcept {
    const bool sent = queue_.try_enqueue(slip, segment);
    if (!sent) refused_.fetch_add(1, std::memory_order_relaxed);
    return sent;
  }
  [[nodiscard]] bool receive(flowtable::Segment& segment) noexcept {
    return queue_.try_dequeue(segment);
  }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size_approx(); }
  // Segments that found no room so far.
  [[nodiscard]] std::uint64_t refused() const noexcept {
    return refused_.load(std::memory_order_relaxed);
  }

 private:
  // Memory is taken once, a share for each sender: its index of blocks, which would have to allocate
  // to grow, holds just that.
  struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
    static constexpr std::size_t EXPLICIT_INITIAL_INDEX_SIZE = kCapacityPerSender / BLOCK_SIZE;
  };

  std::atomic<std::uint64_t> refused_{0};
  moodycamel::ConcurrentQueue<flowtable::Segment, Traits> queue_;
};

}  // namespace tcpeek::engine
