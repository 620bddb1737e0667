#include "engine/base/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace tcpeek::engine {
namespace {

constexpr std::size_t kTasksWorthAThread = 4;

class Work {
 public:
  Work(std::size_t count, const std::function<void(std::size_t)>& task)
      : count_(count), task_(task) {}

  void run() noexcept {
    for (std::size_t i = next_++; i < count_; i = next_++) {
      try {
        task_(i);
      } catch (...) {
        fail(std::current_exception());
      }
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void fail(std::exception_ptr failure) noexcept {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    next_ = count_;
  }

  const std::size_t count_;
  const std::function<void(std::size_t)>& task_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void side_by_side(std::size_t count, const std::function<void(std::size_t)>& task) {
  Work work(count, task);
  std::vector<std::thread> others;
  const std::size_t threads = std::min(kMostSideBySide, count / kTasksWorthAThread);
  try {
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back([&work] { work.run(); });
  } catch (const std::exception&) {
    // Slower with those there are.
  }
  work.run();
  for (std::thread& other : others) other.join();
  work.rethrow();
}

}  // namespace tcpeek::engine
