// An outcome as a reader passes it to the reactor, and the queue that carries it.
//
// How it works: the filters of an outcome are a bit each. The first 64 bits are in the record, and are
// nearly always enough; other words that are not zero precede it in the queue, all or nothing.
//
// Bounded: when the reactor does not keep up, outcomes are counted as always but not told, and the
// reader counts how many.
//
// With nobody to be told the queue takes no memory. The reactor switches it on and off; as the reader may be
// putting something in just then, the memory is given back later, by release().
//
// Thread contract: plain values; the queue has one producer (the reader: listening(), push(), pushed()) and one
// consumer (the reactor: all else).
#pragma once

#include <concurrentqueue/concurrentqueue.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "engine/base/bits.h"
#include "engine/base/tsan_queue_order.h"
#include "engine/filters/ruleset.h"
#include "engine/pipeline/legs.h"
#include "flowtable/flow_key.h"
#include "flowtable/outcome.h"

namespace tcpeek::engine {

struct OutcomeRecord {
  flowtable::Endpoint initiator;
  flowtable::Endpoint responder;
  std::chrono::nanoseconds first_syn{0};  // wall clock
  std::chrono::nanoseconds duration{0};
  std::chrono::microseconds tried{0};  // first SYN to the last one
  flowtable::Outcome outcome;          // without what it points to
  // Of these, what is known; no std::optional, as assigning one is not noexcept.
  bool has_error = false;
  bool has_legs = false;
  bool has_responder_isn = false;
  flowtable::IcmpError error;
  Legs legs;
  std::uint32_t isn = 0;
  std::uint32_t responder_isn = 0;
  std::uint64_t filters = 0;  // a bit for each of the first 64 filters it counts in
  std::uint16_t dup_syns = 0;
  std::uint16_t dup_synacks = 0;
  std::uint16_t interface = 0;
};

// 64 more filters of the record that follows.
struct FilterWord {
  std::uint64_t bits = 0;
  std::uint16_t index = 0;  // of the word; never 0
};

class OutcomeQueue {
 public:
  // Two seconds at 30,000 outcomes a second; a terminal takes no more than that.
  static constexpr std::size_t kCapacity = 65536;

  using Item = std::variant<OutcomeRecord, FilterWord>;

  explicit OutcomeQueue(bool listening) {
    if (listening) listen();
  }

  // From now on outcomes are queued, in an empty queue.
  void listen() {
    if (room_ == nullptr) room_ = std::make_unique<Room>();
    for (OutcomeRecord old; pop(old);) {
    }
    open_.store(room_.get(), std::memory_order_release);
  }
  // From now on none are.
  void ignore() noexcept { open_.store(nullptr, std::memory_order_release); }
  // Gives back the memory of a queue that is ignored. Precondition: since then the reader was seen between
  // two rounds of its loop.
  void release() noexcept {
    if (!listening()) room_.reset();
  }

  [[nodiscard]] bool listening() const noexcept {
    return open_.load(std::memory_order_acquire) != nullptr;
  }

  // A record with words of its filters, at most kFilterWords. False: there was no room.
  [[nodiscard]] bool push(const OutcomeRecord& record,
                          std::span<const FilterWord> words = {}) noexcept {
    Room* const room = open_.load(std::memory_order_acquire);
    if (room == nullptr) return true;  // nobody wants it any more
    ++pushed_;
    [[maybe_unused]] const tsan_queue_order::Putting putting(room);
    if (words.empty()) return room->queue.try_enqueue(room->producer, record);
    std::array<Item, kFilterWords + 1> items;
    std::size_t count = 0;
    for (const FilterWord& word : words) items[count++] = word;
    items[count++] = record;
    return room->queue.try_enqueue_bulk(room->producer, items.data(), count);
  }

  // How many were to be queued so far. The producer's.
  [[nodiscard]] std::uint64_t pushed() const noexcept { return pushed_; }

  // The next outcome; `filters`, if wanted, are those it counts in, ascending.
  [[nodiscard]] bool pop(OutcomeRecord& record, std::vector<FilterId>* filters = nullptr) {
    if (room_ == nullptr) return false;
    words_.clear();
    for (Item item; room_->queue.try_dequeue(item);) {
      tsan_queue_order::taken(room_.get());
      if (const auto* word = std::get_if<FilterWord>(&item)) {
        words_.push_back(*word);
        continue;
      }
      record = std::get<OutcomeRecord>(item);
      if (filters != nullptr) list(record, *filters);
      return true;
    }
    return false;
  }

  // Queued outcomes, and words of theirs.
  [[nodiscard]] std::size_t size() const noexcept {
    return room_ == nullptr ? 0 : room_->queue.size_approx();
  }

 private:
  // Large blocks: each has a header that is written at the start, so small ones would have half of the queue's
  // memory taken while it is empty. A producer's index of blocks must hold the whole queue: growing it would
  // allocate.
  struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
    static constexpr std::size_t BLOCK_SIZE = 256;
    static constexpr std::size_t EXPLICIT_INITIAL_INDEX_SIZE = kCapacity / BLOCK_SIZE;
  };

  void list(const OutcomeRecord& record, std::vector<FilterId>& filters) const {
    filters.clear();
    list(FilterWord{record.filters, 0}, filters);
    for (const FilterWord& word : words_) list(word, filters);
  }
  static void list(const FilterWord& word, std::vector<FilterId>& filters) {
    for_each_bit(word.bits, [&](std::size_t bit) {
      filters.push_back(static_cast<FilterId>(word.index * 64U + bit));
    });
  }

  struct Room {
    moodycamel::ConcurrentQueue<Item, Traits> queue{kCapacity};
    moodycamel::ProducerToken producer{queue};
  };

  std::unique_ptr<Room> room_;        // the reactor's
  std::atomic<Room*> open_{nullptr};  // where the reader puts outcomes; null: nobody listens
  std::uint64_t pushed_ = 0;          // the producer's
  std::vector<FilterWord> words_;     // the consumer's: those of the next outcome
};

}  // namespace tcpeek::engine
