#include "ipc/tcp_client.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace tcpeek::ipc {
namespace {

// Whoever has an IPv6 network has 2^64 addresses in it. Two networks that fold to one number share their slots.
Peer peer_of(const sockaddr_storage& from) noexcept {
  std::uint32_t number = 0;
  if (from.ss_family == AF_INET) {
    const auto& address = reinterpret_cast<const sockaddr_in&>(from);
    number = address.sin_addr.s_addr;
  } else if (from.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(from);
    const std::size_t first = IN6_IS_ADDR_V4MAPPED(&address.sin6_addr) ? 12 : 0;
    std::uint32_t high = 0;
    std::uint32_t low = 0;
    std::memcpy(&high, &address.sin6_addr.s6_addr[first], sizeof high);
    if (first == 0) std::memcpy(&low, &address.sin6_addr.s6_addr[sizeof high], sizeof low);
    number = high ^ low;
  }
  return {.user = number, .process = 0};
}

void read_input(TcpClient& client, std::size_t most_bytes) {
  client.input.resize(most_bytes);
  const ssize_t count =
      ::recv(client.socket.get(), client.input.data(), client.input.size(), MSG_DONTWAIT);
  client.has_left = count == 0 || (count < 0 && errno != EAGAIN);
  client.input.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
}

}  // namespace

ClientSlot TcpClient::slot() const noexcept {
  const bool has_asked = input.find("\r\n\r\n") != std::string::npos;
  return {.peer = peer,
          .state = has_asked ? ClientSlot::State::being_answered : ClientSlot::State::asking,
          .since = since};
}

TcpAcceptResult accept_tcp_client(int listener, std::size_t most_bytes) {
  TcpAcceptResult result;
  TcpClient& client = result.client;
  sockaddr_storage from{};
  do {
    socklen_t size = sizeof from;
    client.socket.reset(::accept4(listener, reinterpret_cast<sockaddr*>(&from), &size,
                                  SOCK_NONBLOCK | SOCK_CLOEXEC));
  } while (!client.socket && (errno == EINTR || errno == ECONNABORTED));
  if (!client.socket) {
    result.error_number = errno;
    return result;
  }
  client.since = std::chrono::steady_clock::now();
  client.peer = peer_of(from);
  read_input(client, most_bytes);
  return result;
}

}  // namespace tcpeek::ipc
