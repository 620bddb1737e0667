// A fixed set of threads that run one task at a time together: the readers of a replay.
//
// The thread that owns the team is its first member, so a team of one is that thread alone.
//
// Thread contract: the owner calls run(); tasks must not throw.
// Errors: the constructor throws std::system_error when a thread cannot be started.
#pragma once

#include <barrier>
#include <functional>
#include <thread>
#include <vector>

namespace tcpeek::engine {

class ThreadTeam {
 public:
  explicit ThreadTeam(unsigned members);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  // task(i) on member i, for all of them; returns when all have ended.
  void run(const std::function<void(unsigned)>& task);

 private:
  void work(unsigned member);

  std::barrier<> step_;  // passed when a task begins and when it has ended
  const std::function<void(unsigned)>* task_ = nullptr;  // null: the end
  std::vector<std::thread> threads_;
};

}  // namespace tcpeek::engine
