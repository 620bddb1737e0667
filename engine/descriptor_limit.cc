#include "engine/descriptor_limit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <stdexcept>

#include "ring/descriptor.h"

namespace tcpeek::engine {
namespace {

constexpr const char* kHowToRaise = "raise it (ulimit -n, or LimitNOFILE= of the service)";

// The lowest number that is free, or `limit` if none is.
rlim_t lowest_free(rlim_t limit) {
  const ring::Descriptor copy(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  return copy.get() >= 0 ? static_cast<rlim_t>(copy.get()) : limit;
}

}  // namespace

std::uint64_t descriptor_limit() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

void ensure_descriptors(std::size_t more) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    ring::throw_errno("cannot read the limit on open files");
  const rlim_t needed = lowest_free(limit.rlim_cur) + more;
  if (needed <= limit.rlim_cur) return;
  const rlimit raised{needed, limit.rlim_max};
  if (needed <= limit.rlim_max && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  throw std::runtime_error(
      fmt::format("the limit on open files is {}, and {} are needed, {} of them for clients: {}",
                  limit.rlim_max, needed, more, kHowToRaise));
}

std::string descriptor_advice(const std::error_code& code) {
  if (code == std::errc::too_many_files_open_in_system) {
    return "; the whole machine has too many: see sysctl fs.file-max";
  }
  const std::uint64_t limit = descriptor_limit();
  if (code != std::errc::too_many_files_open || limit == 0) return {};
  return fmt::format("; the limit on open files is {}: {}", limit, kHowToRaise);
}

}  // namespace tcpeek::engine
