#include "ring/descriptor.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace tcpeek::ring {

void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Mapping::Mapping(int fd, std::size_t size, const std::string& what) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw_errno("cannot map " + what);
  bytes_ = {static_cast<std::byte*>(memory), size};
}

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace tcpeek::ring
