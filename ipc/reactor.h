// The reactor: one thread that waits for timers, descriptors and clients. Asio is kept in
// this room; the rest of the program sees these few calls.
//
// Thread contract: every call and every callback is on the thread that runs run(), except stop()
// and post(), which any thread may make; set-up calls may also come before run(). What the
// callbacks use must outlive run(); what holds the reactor's context (a server) goes before the
// reactor does.
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

  // Runs until stop(), which may come first. An exception thrown by a callback leaves through here,
  // and that callback is not called again.
  void run();
  void stop();

  // Runs `task` on the reactor's thread, soon.
  void post(std::function<void()> task);

  // Calls `task` each `interval` (above 0), first one interval from now, for the reactor's life.
  // The ticks keep their cadence; one that is an interval or more late is not made up for.
  void every(std::chrono::milliseconds interval, std::function<void()> task);

  // Calls `task` once, `delay` from now.
  void after(std::chrono::milliseconds delay, std::function<void()> task);

  // Calls `task` whenever `descriptor` is readable, at its end or in error, level-triggered: a task
  // that leaves it so is called again. The caller keeps and closes it, after the reactor is gone.
  // A descriptor nobody can wait for (a plain file) shows as std::system_error out of run().
  void on_readable(int descriptor, std::function<void()> task);

  [[nodiscard]] boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tcpeek::ipc
