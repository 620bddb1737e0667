// A TCP connection just taken from the listener's queue: from where, and what it has sent so far. Nothing is set
// up for it yet, as in a flood it may be evicted at once (incoming_client.h is the same for UNIX sockets).
//
// Thread contract: a plain value with one owner.
// Invariants: the socket is non-blocking and close-on-exec.
// Errors: accept_tcp_client() returns the errno; a client that left is not an error.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "ipc/client_eviction.h"
#include "ipc/unique_fd.h"

namespace tcpeek::ipc {

struct TcpClient {
  UniqueFd socket;
  Peer peer;  // a host: an IPv4 address, or the network of 64 bits of an IPv6 one, as a number
  std::string input;  // what is there already
  bool has_left = false;
  std::chrono::steady_clock::time_point since;

  // What choose_client_to_evict() sees of it.
  [[nodiscard]] ClientSlot slot() const noexcept;
};

struct TcpAcceptResult {
  int error_number = 0;  // of accept4(); EAGAIN when nobody is waiting
  TcpClient client;
};

// Takes the next connection from the queue of `listener`, and at most `most_bytes` of what it sent.
[[nodiscard]] TcpAcceptResult accept_tcp_client(int listener, std::size_t most_bytes);

}  // namespace tcpeek::ipc
