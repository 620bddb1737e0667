// Makes each connect() to a listening UNIX socket take some microseconds of the connecting process's time,
// so that clients cannot fill the queue faster than the server empties it.
//
// Why: to create a connection and drop it costs a client little more than accept() and close() cost the
// server. Two processes that do nothing else, on as many CPUs, keep the queue full, however long it
// is, and a full queue turns away every client that does not wait (EAGAIN).
//
// How it works: connect() calls back every epoll registration of the listener, one after the other and
// under a lock, so that what this costs is shared by all that connect at the same time. A descriptor
// registered under another number counts as another registration. Nobody waits on this epoll instance.
// With 512 registrations of 27 ns each, all clients together make about 65,000 connections a second at
// most, on any number of CPUs; to accept and close that many takes a quarter of one.
//
// Thread contract: a plain value with one owner.
// Invariants: takes one descriptor. Registrations go when the listener or the brake is closed.
// Errors: none. Where descriptors or memory are short, there are fewer registrations.
#pragma once

#include "ipc/unique_fd.h"

namespace tcpeek::ipc {

class ConnectBrake {
 public:
  static constexpr int kRegistrations = 512;

  ConnectBrake() = default;
  explicit ConnectBrake(int listener) noexcept;

  [[nodiscard]] int registrations() const noexcept { return registrations_; }

 private:
  UniqueFd epoll_;
  int registrations_ = 0;
};

}  // namespace tcpeek::ipc
