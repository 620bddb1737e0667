#include "ipc/tcp_listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <limits>
#include <string_view>
#include <system_error>

namespace tcpeek::ipc {
namespace {

// As long a queue as the kernel allows (net.core.somaxconn): when it is full, a SYN is dropped, and the client
// waits a second to send it again.
constexpr int kTcpBacklog = std::numeric_limits<int>::max();

struct Place {
  sockaddr_storage address{};
  socklen_t size = 0;
};

Place place_of(const std::string& address, std::uint16_t port) {
  Place place;
  auto& v4 = reinterpret_cast<sockaddr_in&>(place.address);
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    place.size = sizeof v4;
    return place;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(place.address);
  place.address = {};
  if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    place.size = sizeof v6;
    return place;
  }
  throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                          "cannot listen on " + address);
}

std::string to_string(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return fmt::format("[{}]:{}", text.data(), ntohs(v6.sin6_port));
}

}  // namespace

UniqueFd listen_on(const std::string& address, std::uint16_t port) {
  const Place place = place_of(address, port);
  const auto fail = [&](std::string_view advice) {
    throw std::system_error(
        errno, std::generic_category(),
        fmt::format("cannot serve metrics on {}{}", to_string(place.address), advice));
  };
  UniqueFd listener(
      ::socket(place.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener) {
    fail(errno == EAFNOSUPPORT
             ? " (in a service that may not speak IP, use --metrics-listen systemd)"
             : "");
  }
  const int on = 1;
  if (::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) fail("");
  if (place.address.ss_family == AF_INET6 &&
      ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) {
    fail("");
  }
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&place.address), place.size) != 0) {
    fail(" (choose another address or port with --metrics-listen)");
  }
  if (::listen(listener.get(), kTcpBacklog) != 0) fail("");
  return listener;
}

std::string address_of(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "getsockname of the metrics socket");
  }
  return to_string(address);
}

}  // namespace tcpeek::ipc
