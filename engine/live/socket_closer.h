// Closes packet sockets side by side: the kernel waits for each of them, twice where there is a ring,
// until no CPU can be handling a packet for it any more. That takes 10 to 30 ms each time, but those who
// wait at the same time wait together.
//
// How it works: each owner adds the sockets it is done with, and helps to close those that are there.
//
// Thread contract: add() and help() are any thread's; the others are the main thread's.
// Errors: none. A socket that cannot be kept for lack of memory is closed at once.
// Source: net/packet/af_packet.c (packet_release, packet_set_ring: synchronize_net()).
#pragma once

#include <mutex>
#include <vector>

#include "ring/packet_socket.h"

namespace tcpeek::engine {

class SocketCloser {
 public:
  SocketCloser() = default;
  ~SocketCloser() { close_all(); }
  SocketCloser(const SocketCloser&) = delete;
  SocketCloser& operator=(const SocketCloser&) = delete;

  void add(ring::PacketSocket socket) noexcept;
  // Closes until none is left to begin with.
  void help() noexcept;

  // Likewise, with threads made for it.
  void close_all() noexcept;
  // From now on system calls are filtered: no thread can be made.
  void make_no_threads() noexcept { may_make_threads_ = false; }

 private:
  [[nodiscard]] bool close_one() noexcept;
  [[nodiscard]] std::size_t waiting() noexcept;

  std::mutex mutex_;
  std::vector<ring::PacketSocket> sockets_;
  bool may_make_threads_ = true;
};

}  // namespace tcpeek::engine
