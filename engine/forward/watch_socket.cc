#include "engine/forward/watch_socket.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "engine/base/text.h"
#include "engine/forward/watch_line.h"

namespace tcpeek::forward {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr timeval kPatience{.tv_sec = 2, .tv_usec = 0};  // connecting waits where others queue

ring::Descriptor connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    throw std::system_error(ENAMETOOLONG, std::generic_category(),
                            "cannot connect to tcpeek at " + engine::in_quotes(path));
  }
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  ring::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) ring::throw_errno("cannot open a UNIX socket (socket)");
  static_cast<void>(
      ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as bind(2) and connect(2) want it
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ring::throw_errno("cannot connect to tcpeek at " + engine::in_quotes(path));
  }
  return socket;
}

}  // namespace

WatchSocket::WatchSocket(const std::string& path, std::optional<std::uint64_t> from)
    : path_(path), socket_(connect_to(path)) {
  const std::string request = from ? fmt::format("WATCH json from={}\n", *from) : "WATCH json\n";
  const ssize_t sent = ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) {
    ring::throw_errno("cannot ask tcpeek at " + engine::in_quotes(path_));
  }
}

WatchSocket::Read WatchSocket::read() {
  buffer_.erase(0, taken_);
  searched_ -= taken_;
  taken_ = 0;
  if (buffer_.size() > kMostLineBytes) {
    throw std::length_error(fmt::format("a line from tcpeek at {} has more than {} bytes",
                                        engine::in_quotes(path_), kMostLineBytes));
  }
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kPieceBytes);
  const ssize_t count = ::recv(socket_.get(), buffer_.data() + before, kPieceBytes, MSG_DONTWAIT);
  const int error = errno;
  buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (count > 0) return Read::some;
  if (count == 0 || error == ECONNRESET) return Read::end;
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) return Read::nothing;
  throw std::system_error(error, std::generic_category(),
                          "cannot read from tcpeek at " + engine::in_quotes(path_));
}

std::optional<std::string_view> WatchSocket::line() {
  const std::size_t end = buffer_.find('\n', searched_);
  searched_ = end == std::string::npos ? buffer_.size() : end + 1;
  if (end == std::string::npos) return std::nullopt;
  const std::string_view found = std::string_view(buffer_).substr(taken_, end - taken_);
  taken_ = end + 1;
  return found;
}

}  // namespace tcpeek::forward
