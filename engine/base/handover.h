// Hands an object from the reactor to one reader without a lock: the reader picks it up between two
// batches and gives the old one back; only the reactor's thread allocates and frees. While the
// reader has it, nobody else uses it, unless T is const.
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
  explicit Handover(std::unique_ptr<T> first) : current_(std::move(first)) {}
  ~Handover() {
    delete offered_.load(std::memory_order_acquire);
    delete retired_.load(std::memory_order_acquire);
  }
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  // Offers an object, and returns the one offered before if the reader has not picked it up. What the
  // reader has given back stays until it is collected: it may be worth keeping.
  std::unique_ptr<T> offer(std::unique_ptr<T> next) {
    return std::unique_ptr<T>(offered_.exchange(next.release(), std::memory_order_acq_rel));
  }

  // Takes back what the reader has not picked up, if anything.
  std::unique_ptr<T> withdraw() {
    return std::unique_ptr<T>(offered_.exchange(nullptr, std::memory_order_acq_rel));
  }

  // What the reader has given back, if anything.
  std::unique_ptr<T> collect() {
    return std::unique_ptr<T>(retired_.exchange(nullptr, std::memory_order_acq_rel));
  }

  // The latest object. The exchange waits until the reactor has collected the previous one.
  [[nodiscard]] T& pick_up() noexcept {
    if (waiting()) {
      if (T* next = offered_.exchange(nullptr, std::memory_order_acq_rel)) {
        retired_.store(current_.release(), std::memory_order_release);
        current_.reset(next);
      }
    }
    return *current_;
  }

  // Whether pick_up() would change the object.
  [[nodiscard]] bool waiting() const noexcept {
    return offered_.load(std::memory_order_relaxed) != nullptr &&
           retired_.load(std::memory_order_relaxed) == nullptr;
  }

  [[nodiscard]] T& current() const noexcept { return *current_; }

 private:
  std::atomic<T*> offered_{nullptr};
  std::atomic<T*> retired_{nullptr};
  std::unique_ptr<T> current_;  // the reader's
};

}  // namespace tcpeek::engine
