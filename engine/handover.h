// Hands an immutable object from the reactor to one reader without a lock: the reader picks it up
// between two batches and gives the old one back; only the reactor's thread allocates and frees.
//
// Thread contract: offer() and collect() on the reactor's thread, pick_up() on the reader's.
// Invariant: an object is owned by exactly one of offered_, current (the reader's) and retired_.
#pragma once

#include <atomic>
#include <memory>

namespace tcpeek::engine {

template <class T>
class Handover {
 public:
  explicit Handover(std::unique_ptr<const T> first) : current_(std::move(first)) {}
  ~Handover() {
    delete offered_.load(std::memory_order_acquire);
    delete retired_.load(std::memory_order_acquire);
  }
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  // Replaces what the reader has not picked up yet.
  void offer(std::unique_ptr<const T> next) {
    collect();
    delete offered_.exchange(next.release(), std::memory_order_acq_rel);
  }

  void collect() { delete retired_.exchange(nullptr, std::memory_order_acq_rel); }

  // The latest object. Waits with the change until the reactor has collected the one before.
  [[nodiscard]] const T& pick_up() noexcept {
    const bool waiting = offered_.load(std::memory_order_relaxed) != nullptr;
    if (waiting && retired_.load(std::memory_order_relaxed) == nullptr) {
      if (const T* next = offered_.exchange(nullptr, std::memory_order_acq_rel)) {
        retired_.store(current_.release(), std::memory_order_release);
        current_.reset(next);
      }
    }
    return *current_;
  }

  [[nodiscard]] const T& current() const noexcept { return *current_; }

 private:
  std::atomic<const T*> offered_{nullptr};
  std::atomic<const T*> retired_{nullptr};
  std::unique_ptr<const T> current_;  // the reader's
};

}  // namespace tcpeek::engine
