// The reactor: one thread that waits for timers, descriptors and clients. Asio stays in this room; the
// rest of the program sees only these few calls.
//
// Thread contract: all calls and callbacks are on the thread that runs run(), except stop() and post(),
// which any thread may call; set-up calls may also come before run(). What callbacks use must
// outlive run(); what holds the reactor's context (a server) is destroyed before the reactor.
// Errors: set-up calls throw std::system_error naming the call and the object.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace tcpeek::ipc {

class Reactor {
 public:
  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Runs until stop(), which may be called before. An exception thrown by a callback propagates through
  // here, and that callback is not called again.
  void run();
  void stop();

  // Runs `task` on the reactor's thread, soon.
  void post(std::function<void()> task);

  // Calls `task` each `interval` (above 0), first one interval from now, for the reactor's life.
  // Ticks stay on schedule; those missed by an interval or more are skipped.
  void every(std::chrono::milliseconds interval, std::function<void()> task);

  // Calls `task` once, `delay` from now.
  void after(std::chrono::milliseconds delay, std::function<void()> task);

  // Calls `task` whenever `descriptor` is readable, at its end or in error, level-triggered: a task
  // that leaves it so is called again. The caller keeps it, and closes it after the reactor is gone.
  // For a descriptor that cannot be waited for (a plain file), run() throws std::system_error.
  void on_readable(int descriptor, std::function<void()> task);

  // Calls `task` whenever there is nothing to do for the moment, and between tasks if there always is something:
  // for what they left to be done. At most one.
  void when_idle(std::function<void()> task);

  [[nodiscard]] boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpeek::ipc
