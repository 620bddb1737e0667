#include "engine/live/socket_closer.h"

#include <exception>
#include <optional>
#include <utility>

#include "engine/base/side_by_side.h"

namespace tcpeek::engine {

void SocketCloser::add(ring::PacketSocket socket) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    sockets_.push_back(std::move(socket));
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
    if (may_make_threads_)
      side_by_side(waiting(), [this](std::size_t) { static_cast<void>(close_one()); });
  } catch (const std::exception&) {
    // Without threads it takes longer.
  }
  help();
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
