#include "engine/reload_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/base/text.h"
#include "ipc/reload.h"
#include "ipc/request.h"
#include "ipc/unique_fd.h"

namespace tcpeek::engine {
namespace {

// A thousand names of 64 bytes, and more.
constexpr std::size_t kMaxReply = std::size_t{1} << 20;

std::string advice_for(int error) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      return "; is tcpeek running? name its socket with -U";
    case EACCES:
      return "; run this as root or as the user that tcpeek runs as";
    case EAGAIN:
      return "; it does not answer: see systemctl status tcpeek";
    default:
      return "";
  }
}

[[noreturn]] void fail(const std::string& path, int error) {
  throw std::runtime_error("--reload: cannot reach tcpeek at " + in_quotes(path) + ": " +
                           std::generic_category().message(error) + advice_for(error));
}

ipc::UniqueFd connected(const std::string& path) {
  ipc::UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!client) fail(path, errno);
  const timeval patience{.tv_sec = kReloadPatience.count(), .tv_usec = 0};
  for (const int option : {SO_SNDTIMEO, SO_RCVTIMEO}) {
    ::setsockopt(client.get(), SOL_SOCKET, option, &patience, sizeof patience);
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, std::begin(address.sun_path));
  if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail(path, errno);
  }
  return client;
}

// One that refuses may close before it has read everything; why is in its reply.
void send_all(const ipc::UniqueFd& client, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
    if (sent < 0) fail(path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string receive_all(const ipc::UniqueFd& client, const std::string& path) {
  std::string reply;
  std::array<char, 16384> buffer;  // NOLINT(*-member-init): recv() fills what is used
  for (;;) {
    const ssize_t count = ::recv(client.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == ECONNRESET) return reply;
    if (count < 0) fail(path, errno);
    if (count == 0 || reply.size() > kMaxReply) return reply;
    reply.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

std::string hand_over(const CommandLine& command_line) {
  const std::string& path = command_line.options.socket_path;
  std::vector<std::string> arguments = command_line.arguments;
  // It only says where to ask.
  std::erase_if(arguments, [](const std::string& word) { return word.starts_with("--socket="); });
  const std::string request = ipc::reload_request(arguments);
  if (request.size() > ipc::kMaxBodyBytes) {
    throw std::runtime_error("--reload: all options and filters together have more than 1 MiB");
  }
  const ipc::UniqueFd client = connected(path);
  send_all(client, request, path);
  const ipc::ReloadAnswer answer = ipc::read_reload_reply(receive_all(client, path));
  if (!answer.report) {
    throw std::runtime_error("--reload: refused by the tcpeek at " + in_quotes(path) + ": " +
                             answer.error);
  }
  return "reloaded: " + ipc::in_words(*answer.report);
}

}  // namespace tcpeek::engine
