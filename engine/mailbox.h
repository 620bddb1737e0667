// What steering could not see lands on the wrong reader; it travels to the flow's owner in the
// owner's mailbox.
//
// Bounded: a full mailbox refuses, and the sender counts the segment as lost. Segments of one
// sender arrive in order.
//
// Thread contract: any number of senders, each with its own Slip; one receiver.
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <cstddef>

#include "flowtable/segment.h"

namespace tcpeek::engine {

class Mailbox {
 public:
  static constexpr std::size_t kCapacityPerSender = 8192;

  explicit Mailbox(std::size_t senders) : queue_(senders * kCapacityPerSender, senders, 0) {}

  // A sender's right to send; made at start, as making one allocates.
  using Slip = moodycamel::ProducerToken;
  [[nodiscard]] Slip slip() { return Slip(queue_); }

  [[nodiscard]] bool send(const Slip& slip, const flowtable::Segment& segment) noexcept {
    return queue_.try_enqueue(slip, segment);
  }
  [[nodiscard]] bool receive(flowtable::Segment& segment) noexcept {
    return queue_.try_dequeue(segment);
  }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size_approx(); }

 private:
  moodycamel::ConcurrentQueue<flowtable::Segment> queue_;
};

}  // namespace tcpeek::engine
