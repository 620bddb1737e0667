#include "engine/live/socket_closer.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "engine/base/side_by_side.h"

namespace tcpeek::engine {
namespace {

// Half a second on an idle machine.
constexpr std::size_t kWaitsEach = 32;

}  // namespace

std::size_t helpers_to_close(std::size_t waits, std::size_t closers) noexcept {
  const std::size_t wanted = (waits + kWaitsEach - 1) / kWaitsEach;
  return std::min(wanted - std::min(wanted, closers), kMostSideBySide);
}

SocketCloser::~SocketCloser() {
  close_all();
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void SocketCloser::add(ring::PacketSocket socket) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    sockets_.push_back(std::move(socket));
    changed_.notify_one();
  } catch (const std::exception&) {
    // It is closed here.
  }
}

void SocketCloser::help() noexcept {
  while (close_one()) {
  }
}

void SocketCloser::close_all() noexcept {
  try {
    if (may_make_threads_) {
      side_by_side(waiting(), [this](std::size_t) { static_cast<void>(close_one()); });
    }
  } catch (const std::exception&) {
    // Alone it takes longer.
  }
  help();
}

void SocketCloser::make_helpers(std::size_t count, const Sandbox& sandbox) noexcept {
  may_make_threads_ = false;
  try {
    for (std::size_t i = 0; i < count; ++i) {
      // A copy each: a helper may first run when the caller's is gone.
      helpers_.emplace_back([this, sandbox] { run_helper(sandbox); });
    }
  } catch (const std::exception&) {
    // With fewer it takes longer.
  }
}

void SocketCloser::run_helper(const Sandbox& sandbox) noexcept {
  try {
    sandbox.enter(Role::reader);
  } catch (const std::exception&) {
    return;  // rather none than one that may do more than the others
  }
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return over_ || !sockets_.empty(); });
      if (sockets_.empty()) return;
    }
    help();
  }
}

bool SocketCloser::close_one() noexcept {
  std::optional<ring::PacketSocket> socket;
  const std::lock_guard lock(mutex_);
  if (sockets_.empty()) return false;
  socket = std::move(sockets_.back());
  sockets_.pop_back();
  return true;  // the lock is given back before the socket is closed
}

std::size_t SocketCloser::waiting() noexcept {
  const std::lock_guard lock(mutex_);
  return sockets_.size();
}

}  // namespace tcpeek::engine
