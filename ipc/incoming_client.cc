#include "ipc/incoming_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace tcpeek::ipc {
namespace {

constexpr uid_t kRoot = 0;
constexpr uid_t kNobody = static_cast<uid_t>(-1);  // no user has this number

Peer peer_of(int socket) noexcept {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return {.user = kNobody, .process = 0};
  }
  return {.user = credentials.uid, .process = credentials.pid};
}

bool is_closed_by_peer(int socket) noexcept {
  pollfd asked{.fd = socket, .events = 0, .revents = 0};
  return ::poll(&asked, 1, 0) == 1 && (asked.revents & (POLLHUP | POLLERR)) != 0;
}

// What is there already, without waiting.
void read_request(IncomingClient& client) {
  std::array<char, kMaxRequestBytes> input;  // NOLINT(*-member-init): recv() fills what is read
  const ssize_t count = ::recv(client.socket.get(), input.data(), input.size(), MSG_DONTWAIT);
  if (count > 0) {
    client.request.feed({input.data(), static_cast<std::size_t>(count)});
    return;
  }
  client.has_left = count == 0 || errno != EAGAIN;
}

}  // namespace

ClientSlot IncomingClient::slot() const noexcept {
  const auto state_for = [](RequestFramer::State request_state) {
    switch (request_state) {
      case RequestFramer::State::need_more:
        return ClientSlot::State::asking;
      case RequestFramer::State::complete:
        return ClientSlot::State::being_answered;
      case RequestFramer::State::too_long:
      case RequestFramer::State::unfinished:
        break;
    }
    return ClientSlot::State::answered;  // it gets no reply
  };
  return {.peer = peer, .state = state_for(request.state()), .since = since};
}

AcceptResult accept_client(int listener, const RequestBounds& bounds) {
  AcceptResult result;
  IncomingClient& client = result.client;
  do {
    client.socket.reset(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  } while (!client.socket && errno == EINTR);
  if (!client.socket) {
    result.error_number = errno;
    return result;
  }
  client.since = std::chrono::steady_clock::now();
  client.has_left = is_closed_by_peer(client.socket.get());
  if (client.has_left) return result;
  client.peer = peer_of(client.socket.get());
  const bool trusted = client.peer.user == kRoot || client.peer.user == bounds.owner;
  client.request = RequestFramer(bounds.line, trusted ? bounds.body : 0);
  read_request(client);
  return result;
}

}  // namespace tcpeek::ipc
