// The owner of a file descriptor in the live benchmark. Independent of ring/ on purpose: the do-nothing
// reader is a yardstick, and must not change with the code that it is compared with.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace tcpeek::bench {

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

[[noreturn]] inline void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// For system calls that return -1 and set errno.
inline int checked(int result, const std::string& what) {
  if (result < 0) throw_errno(what);
  return result;
}

}  // namespace tcpeek::bench
