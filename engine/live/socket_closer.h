// Closes packet sockets side by side: the kernel waits for each of them, twice where there is a ring,
// until no CPU can be handling a packet for it any more. That takes 10 to 30 ms each time, but those who
// wait at the same time wait together.
//
// How it works: sockets that are done with are added; readers that end, the main thread and, where
// interfaces are many and readers few, helpers that wait for that moment close them. Helpers are made at
// the start, as no thread can be made once system calls are filtered.
//
// Thread contract: add() and help() are any thread's; the others are the main thread's.
// Errors: none. A socket that cannot be kept for lack of memory is closed at once; with fewer helpers
// than wanted it takes longer.
// Source: net/packet/af_packet.c (packet_release, packet_set_ring: synchronize_net()).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/process/sandbox.h"
#include "ring/packet_socket.h"

namespace tcpeek::engine {

// How many helpers `closers` threads need, where the kernel is to wait so often.
[[nodiscard]] std::size_t helpers_to_close(std::size_t waits, std::size_t closers) noexcept;

class SocketCloser {
 public:
  SocketCloser() = default;
  ~SocketCloser();
  SocketCloser(const SocketCloser&) = delete;
  SocketCloser& operator=(const SocketCloser&) = delete;

  void add(ring::PacketSocket socket) noexcept;
  // Closes until none is left to begin with.
  void help() noexcept;

  // Likewise, with threads made for it while they can be.
  void close_all() noexcept;
  // System calls are to be filtered: makes so many helpers, and no other threads from now on.
  void make_helpers(std::size_t count, const Sandbox& sandbox) noexcept;

 private:
  [[nodiscard]] bool close_one() noexcept;
  [[nodiscard]] std::size_t waiting() noexcept;
  void run_helper(const Sandbox& sandbox) noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ring::PacketSocket> sockets_;
  bool over_ = false;  // none will be added

  bool may_make_threads_ = true;
  std::vector<std::thread> helpers_;
};

}  // namespace tcpeek::engine
