// Owners of kernel resources: one move-only object for each descriptor and each mapping.
//
// Thread contract: as a std::unique_ptr.
// Errors: Mapping throws std::system_error naming mmap.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace tcpeek::ring {

// What a failed system call says: the call's name, the object, the errno text.
[[noreturn]] void throw_errno(const std::string& what);

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }

  [[nodiscard]] int get() const noexcept { return fd_; }
  // To an owner of another kind.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

class Mapping {
 public:
  Mapping() = default;
  // Maps `size` bytes of `fd`, shared, for reading and writing.
  Mapping(int fd, std::size_t size, const std::string& what);
  ~Mapping();
  Mapping(Mapping&& o) noexcept : bytes_(std::exchange(o.bytes_, {})) {}
  Mapping& operator=(Mapping&& o) noexcept {
    std::swap(bytes_, o.bytes_);
    return *this;
  }

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace tcpeek::ring
