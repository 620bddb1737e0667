// What the tests of this room share: a folder of their own and a client with deadlines.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "ipc/unique_fd.h"

namespace tcpeek::ipc::test {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using Clock = std::chrono::steady_clock;

// Far longer than anything here takes, also under a sanitizer on a busy machine.
inline constexpr auto kPatience = 60s;

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "tcpeek-ipc-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
    }
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }

 private:
  std::string path_;
};

inline bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

inline mode_t mode_of(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

inline bool eventually(const std::function<bool()>& condition) {
  const auto end = Clock::now() + kPatience;
  while (Clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return condition();
}

inline UniqueFd unix_socket(int type = SOCK_STREAM) {
  return UniqueFd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

inline sockaddr_un address(const std::string& path) {
  sockaddr_un result{};
  result.sun_family = AF_UNIX;
  path.copy(result.sun_path, sizeof(result.sun_path) - 1);
  return result;
}

inline int bind_to(int fd, const std::string& path) {
  const sockaddr_un to = address(path);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

inline int connect_to(int fd, const std::string& path) {
  const sockaddr_un to = address(path);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

// How a conversation ended for the client.
struct Received {
  std::string text;
  int error = 0;  // 0: end of input; ETIMEDOUT: none within our patience
};

class Client {
 public:
  explicit Client(const std::string& path) : fd_(unix_socket()) {
    if (connect_to(fd_.get(), path) != 0) {
      throw std::system_error(errno, std::generic_category(), "connect " + path);
    }
  }

  // False once the server does not take it.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // `text` with a descriptor alongside; 0, or the errno.
  [[nodiscard]] int send_descriptor(std::string_view text, int descriptor) const {
    iovec bytes{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptor)> control{};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL) < 0 ? errno : 0;
  }

  void end_sending() const { ::shutdown(fd_.get(), SHUT_WR); }

  [[nodiscard]] bool is_readable(std::chrono::milliseconds within) const {
    pollfd waited{fd_.get(), POLLIN, 0};
    return ::poll(&waited, 1, static_cast<int>(within.count())) == 1;
  }

  [[nodiscard]] Received receive_all(std::size_t at_once = 65536) const {
    Received result;
    std::string buffer(at_once, '\0');
    const auto end = Clock::now() + kPatience;
    while (Clock::now() < end) {
      if (!is_readable(100ms)) continue;
      const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (count < 0) {
        result.error = errno;
        return result;
      }
      if (count == 0) return result;
      result.text.append(buffer, 0, static_cast<std::size_t>(count));
    }
    result.error = ETIMEDOUT;
    return result;
  }

  // So many bytes, fewer if the server ends.
  [[nodiscard]] Received receive_some(std::size_t bytes) const {
    Received result;
    std::string buffer(65536, '\0');
    const auto end = Clock::now() + kPatience;
    while (result.text.size() < bytes) {
      if (Clock::now() > end) {
        result.error = ETIMEDOUT;
        return result;
      }
      if (!is_readable(100ms)) continue;
      const std::size_t most = std::min(buffer.size(), bytes - result.text.size());
      const ssize_t count = ::recv(fd_.get(), buffer.data(), most, 0);
      if (count < 0) result.error = errno;
      if (count <= 0) return result;
      result.text.append(buffer, 0, static_cast<std::size_t>(count));
    }
    return result;
  }

  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
};

}  // namespace tcpeek::ipc::test
