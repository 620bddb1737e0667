#include "engine/process/inherited_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START
constexpr std::uint64_t kMost = 1024;

[[noreturn]] void refuse(const std::string& reason) {
  throw std::runtime_error("--metrics-listen systemd: " + reason +
                           "; enable tcpeek-metrics.socket, then restart the service");
}

// 0 where there is none, or not a number.
std::uint64_t number_in(const char* variable, std::uint64_t most) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return 0;
  return parse_number(text, 0, most).value_or(0);
}

std::uint64_t sockets_for_us() {
  constexpr std::uint64_t kMostProcesses = std::uint64_t{1} << 22;
  const auto us = static_cast<std::uint64_t>(::getpid());
  return number_in("LISTEN_PID", kMostProcesses) == us ? number_in("LISTEN_FDS", kMost) : 0;
}

int option_of(int socket, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool is_tcp_listener(int socket) {
  const int domain = option_of(socket, SO_DOMAIN);
  return (domain == AF_INET || domain == AF_INET6) && option_of(socket, SO_TYPE) == SOCK_STREAM &&
         option_of(socket, SO_ACCEPTCONN) == 1;
}

}  // namespace

bool sockets_were_handed_over() noexcept {
  return sockets_for_us() > 0;
}

ring::Descriptor inherited_tcp_listener() {
  const std::uint64_t count = sockets_for_us();
  if (count == 0) refuse("the service manager passed no socket (LISTEN_FDS)");
  if (count > 1) {
    refuse("the service manager passed " + std::to_string(count) +
           " sockets, and tcpeek serves only one");
  }
  if (!is_tcp_listener(kFirstInherited))
    refuse("the socket that the service manager passed is not a listening TCP socket");
  const int flags = ::fcntl(kFirstInherited, F_GETFL);
  if (flags < 0 || ::fcntl(kFirstInherited, F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(kFirstInherited, F_SETFD, FD_CLOEXEC) != 0) {
    ring::throw_errno("fcntl of the socket that the service manager passed");
  }
  return ring::Descriptor(kFirstInherited);
}

}  // namespace tcpeek::engine
