// A connection just taken from the listener's queue: who is there, and what it has sent so far.
//
// How it works: under a flood most connections are closed again before they are accepted, or are
// evicted for others that were accepted with them. So this sets nothing up: it asks whether the client
// is still there, who it is, and for what it has sent already. Only clients that are kept are given to
// the reactor.
//
// Thread contract: a plain value with one owner.
// Invariants: the socket is non-blocking and close-on-exec.
// Errors: accept_client() returns the errno; a client that left is not an error.
#pragma once

#include <chrono>
#include <cstddef>

#include "ipc/client_eviction.h"
#include "ipc/request.h"
#include "ipc/unique_fd.h"

namespace tcpeek::ipc {

struct IncomingClient {
  UniqueFd socket;
  Peer peer;
  RequestFramer request;
  bool has_left = false;  // it closed the connection, or its sending side without having asked
  std::chrono::steady_clock::time_point since;

  // What choose_client_to_evict() sees of it.
  [[nodiscard]] ClientSlot slot() const noexcept;
};

// How much of a request is read, and from whom.
struct RequestBounds {
  std::size_t line = kMaxRequestBytes;
  std::size_t body = kMaxBodyBytes;  // of root and this user; others send none
  uid_t owner = 0;
};

struct AcceptResult {
  int error_number = 0;  // of accept4(); EAGAIN when nobody is waiting
  IncomingClient client;
};

// Takes the next connection from the queue of `listener`, a non-blocking UNIX stream socket.
[[nodiscard]] AcceptResult accept_client(int listener, const RequestBounds& bounds);

}  // namespace tcpeek::ipc
