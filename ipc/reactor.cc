// Asio's io_context with one thread. Each watch re-arms itself after its task has run; all of them
// live in lists of the reactor and end with it.
#include "ipc/reactor.h"

#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <system_error>
#include <utility>

namespace tcpeek::ipc {

namespace asio = boost::asio;
using boost::system::error_code;

struct Reactor::Impl {
  struct Periodic {
    asio::steady_timer timer;
    std::chrono::milliseconds interval;
    std::function<void()> task;

    Periodic(asio::io_context& context, std::chrono::milliseconds each, std::function<void()> what)
        : timer(context), interval(each), task(std::move(what)) {}

    void arm(std::chrono::steady_clock::time_point when) {
      timer.expires_at(when);
      timer.async_wait([this](error_code error) {
        if (error) return;
        task();
        const auto now = std::chrono::steady_clock::now();
        const auto next = timer.expiry() + interval;
        arm(next > now ? next : now + interval);
      });
    }
  };

  struct Watch {
    asio::posix::stream_descriptor descriptor;
    std::function<void()> task;

    Watch(asio::io_context& context, std::function<void()> what)
        : descriptor(context), task(std::move(what)) {}
    ~Watch() {
      // The number belongs to the caller: only forget it.
      if (descriptor.is_open()) descriptor.release();
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    void arm() {
      descriptor.async_wait(asio::posix::stream_descriptor::wait_read, [this](error_code error) {
        if (error == asio::error::operation_aborted) return;
        if (error) {
          throw std::system_error(error, fmt::format("cannot wait for input of descriptor {}",
                                                     descriptor.native_handle()));
        }
        task();
        arm();
      });
    }
  };

  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  // The first timer makes Asio open its epoll descriptor, so a failure of that shows at set-up.
  asio::steady_timer first_timer{context};
  std::list<Periodic> periodics;
  std::list<Watch> watches;
  std::function<void()> idle = [] {};
};

Reactor::Reactor() {
  try {
    impl_ = std::make_unique<Impl>();
  } catch (const boost::system::system_error& error) {
    throw std::system_error(error.code(), "cannot create the event loop (epoll)");
  }
}

Reactor::~Reactor() = default;

void Reactor::run() {
  constexpr int kTasksAtOnce = 64;
  asio::io_context& context = impl_->context;
  while (context.run_one() != 0) {
    for (int i = 1; i < kTasksAtOnce && context.poll_one() != 0; ++i) {
    }
    impl_->idle();
  }
}

void Reactor::stop() {
  impl_->context.stop();
}

void Reactor::post(std::function<void()> task) {
  asio::post(impl_->context, std::move(task));
}

void Reactor::every(std::chrono::milliseconds interval, std::function<void()> task) {
  if (interval.count() <= 0) {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                            fmt::format("cannot set a timer of {} ms", interval.count()));
  }
  Impl::Periodic& periodic =
      impl_->periodics.emplace_back(impl_->context, interval, std::move(task));
  periodic.arm(std::chrono::steady_clock::now() + interval);
}

void Reactor::after(std::chrono::milliseconds delay, std::function<void()> task) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->context, delay);
  timer->async_wait([timer, task = std::move(task)](error_code error) {
    if (!error) task();
  });
}

void Reactor::on_readable(int descriptor, std::function<void()> task) {
  Impl::Watch& watch = impl_->watches.emplace_back(impl_->context, std::move(task));
  error_code error;
  watch.descriptor.assign(descriptor, error);
  if (error) {
    impl_->watches.pop_back();
    throw std::system_error(error, fmt::format("cannot watch descriptor {}", descriptor));
  }
  watch.arm();
}

void Reactor::when_idle(std::function<void()> task) {
  impl_->idle = std::move(task);
}

asio::io_context& Reactor::context() {
  return impl_->context;
}

}  // namespace tcpeek::ipc
