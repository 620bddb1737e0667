// A segment that steering could not see reaches the wrong reader, which mails it to the mailbox of the
// reader that owns the connection.
//
// How it works: a queue for each sender, so that each has its share and its order; a count of all
// segments mailed, so that with each packet the owner sees by reading one line, which hardly ever
// changes, that there is no mail.
//
// Bounded: a full queue refuses; the sender counts the segment, the owner learns that it missed
// something. Memory is taken once, at start, 72 bytes a segment: 0.3 MB for each pair of a few readers;
// with many, each sender's share becomes smaller, so that 64 readers take 70 MB and 256 readers 0.5 GB.
//
// A receiver that sleeps is woken by the first segment it is sent: rest(), rise().
//
// Thread contract: any number of senders, each with a Sender of its own; one receiver.
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "engine/base/event_fd.h"
#include "engine/base/tsan_queue_order.h"
#include "flowtable/segment.h"

namespace tcpeek::engine {

class Mailbox {
  struct SenderQueue;

 public:
  // How many unread segments each of that many senders may have.
  [[nodiscard]] static constexpr std::size_t capacity_per_sender(std::size_t senders) noexcept {
    return std::clamp(kMostSegments / std::max<std::size_t>(senders, 1), kLeastCapacity,
                      kMostCapacity);
  }

  explicit Mailbox(std::size_t senders) {
    const std::size_t capacity = capacity_per_sender(senders);
    for (std::size_t i = 0; i < senders; ++i)
      queues_.push_back(std::make_unique<SenderQueue>(capacity));
  }

  // A sender's right to send; there is one for each sender.
  class Sender {
   private:
    friend class Mailbox;
    explicit Sender(SenderQueue& queue) : queue_(&queue) {}
    SenderQueue* queue_;  // the mailbox's, which outlives its senders
  };

  [[nodiscard]] Sender add_sender() {
    if (senders_ == queues_.size()) throw std::logic_error("a mailbox has no more senders");
    return Sender(*queues_[senders_++]);
  }

  [[nodiscard]] bool send(const Sender& sender, const flowtable::Segment& segment) noexcept {
    [[maybe_unused]] const tsan_queue_order::Putting putting(sender.queue_);
    if (!sender.queue_->queue.try_enqueue(sender.queue_->producer, segment)) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    sent_.fetch_add(1);
    // Loaded first, as it hardly ever changes and the receiver is mostly awake.
    if (sleeper_.load() != nullptr) [[unlikely]]
      wake();
    return true;
  }

  [[nodiscard]] bool receive(flowtable::Segment& segment) noexcept {
    if (size() == 0) return false;
    for (const auto& sender_queue : queues_) {
      if (!sender_queue->queue.try_dequeue_from_producer(sender_queue->producer, segment)) continue;
      tsan_queue_order::taken(sender_queue.get());
      received_.store(received_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return true;
    }
    return false;
  }

  // From now on the receiver sleeps until `wake` is notified; it outlives the senders. False: there is mail,
  // and it does not.
  [[nodiscard]] bool rest(const EventFd& wake) noexcept {
    // Either this sees what was sent, or the sender sees that we sleep: both in one total order.
    sleeper_.store(&wake);
    if (sent_.load() == received_.load(std::memory_order_relaxed)) return true;
    rise();
    return false;
  }
  void rise() noexcept { sleeper_.store(nullptr, std::memory_order_relaxed); }

  // Any thread's; the receiver first, as what it has received was sent before.
  [[nodiscard]] std::size_t size() const noexcept {
    const std::uint64_t received = received_.load(std::memory_order_acquire);
    return sent_.load(std::memory_order_acquire) - received;
  }
  // Segments that found no room so far.
  [[nodiscard]] std::uint64_t refused() const noexcept {
    return refused_.load(std::memory_order_relaxed);
  }

 private:
  // Once: it stays awake until its next rest().
  void wake() noexcept {
    if (const EventFd* sleeper = sleeper_.exchange(nullptr)) sleeper->notify();
  }

  static constexpr std::size_t kLeastCapacity = 64;
  static constexpr std::size_t kMostCapacity = 4096;
  static constexpr std::size_t kMostSegments = 4 * kMostCapacity;

  // The index of blocks would have to allocate to grow: it holds the most capacity. Senders without a
  // token, for which a queue would keep room, do not exist.
  struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
    static constexpr std::size_t EXPLICIT_INITIAL_INDEX_SIZE = kMostCapacity / BLOCK_SIZE;
    static constexpr std::size_t INITIAL_IMPLICIT_PRODUCER_HASH_SIZE = 0;
  };

  struct SenderQueue {
    explicit SenderQueue(std::size_t capacity) : queue(capacity), producer(queue) {}
    moodycamel::ConcurrentQueue<flowtable::Segment, Traits> queue;
    moodycamel::ProducerToken producer;
  };

  std::vector<std::unique_ptr<SenderQueue>> queues_;
  std::size_t senders_ = 0;
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> received_{0};
  std::atomic<const EventFd*> sleeper_{nullptr};
};

}  // namespace tcpeek::engine
