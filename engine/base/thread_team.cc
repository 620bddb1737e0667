#include "engine/base/thread_team.h"

#include <string>
#include <system_error>

namespace tcpeek::engine {

ThreadTeam::ThreadTeam(unsigned members) : step_(members) {
  try {
    for (unsigned i = 1; i < members; ++i) threads_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error& e) {
    // The barrier must not wait for threads that did not start.
    for (std::size_t i = threads_.size() + 1; i < members; ++i) step_.arrive_and_drop();
    step_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
    throw std::system_error(e.code(), "cannot start " + std::to_string(members) + " threads");
  }
}

ThreadTeam::~ThreadTeam() {
  task_ = nullptr;
  step_.arrive_and_wait();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(const std::function<void(unsigned)>& task) {
  task_ = &task;
  step_.arrive_and_wait();
  task(0);
  step_.arrive_and_wait();
}

void ThreadTeam::work(unsigned member) {
  for (;;) {
    step_.arrive_and_wait();
    if (task_ == nullptr) return;
    (*task_)(member);
    step_.arrive_and_wait();
  }
}

}  // namespace tcpeek::engine
