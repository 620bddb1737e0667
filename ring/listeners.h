// The TCP sockets that listen, with their accept queues, by sock_diag: what `ss -ltnm` shows.
//
// A dump of listeners alone does not look at connections, and the kernel makes it while it is read: nothing
// is waited for. What a socket has dropped is in its memory figures, and for a listener counts SYNs and
// completing ACKs that found no room.
//
// Thread contract: one thread. Errors: std::system_error from the constructor; a dump that fails is false.
// Source: sock_diag(7), net/ipv4/inet_diag.c.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

struct mnl_socket;

namespace tcpeek::ring {

struct Listener {
  std::array<std::uint8_t, 16> address{};  // IPv4 is mapped into IPv6; all zero: any
  bool v4 = false;
  std::uint16_t port = 0;
  std::uint64_t cookie = 0;  // of this socket and no other
  // Connections that wait to be accepted. One more than `backlog_max` fit: it is full when there are more.
  std::uint32_t backlog = 0;
  std::uint32_t backlog_max = 0;
  std::uint32_t drops = 0;  // modulo 2^32

  [[nodiscard]] bool full() const noexcept { return backlog > backlog_max; }
};

class ListenerDump {
 public:
  // Of more, the rest are not told.
  static constexpr std::size_t kMost = 4096;

  // Opened with the network namespace it will ask about.
  ListenerDump();

  // The listeners of now, IPv4 and IPv6; false if the kernel does not tell.
  [[nodiscard]] bool read(std::vector<Listener>& listeners);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const noexcept;
  };
  [[nodiscard]] bool read_family(std::uint8_t family, std::vector<Listener>& listeners);
  void drain() noexcept;

  std::unique_ptr<mnl_socket, Close> socket_;
  std::vector<char> buffer_;
  std::uint32_t sequence_ = 0;
};

}  // namespace tcpeek::ring
