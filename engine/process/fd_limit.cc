#include "engine/process/fd_limit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "ring/descriptor.h"

namespace tcpeek::engine {
namespace {

constexpr const char* kHowToRaise = "raise it (ulimit -n, or LimitNOFILE= of the service)";

// The lowest free descriptor number, or `limit` if none is free.
rlim_t lowest_free(rlim_t limit) {
  const ring::Descriptor copy(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  return copy.get() >= 0 ? static_cast<rlim_t>(copy.get()) : limit;
}

// The soft limit, raised to `wanted` as far as the hard one allows.
rlim_t raised_limit(const rlimit& limit, rlim_t wanted) {
  const rlimit raised{std::min(wanted, limit.rlim_max), limit.rlim_max};
  const bool higher = raised.rlim_cur > limit.rlim_cur && ::setrlimit(RLIMIT_NOFILE, &raised) == 0;
  return higher ? raised.rlim_cur : limit.rlim_cur;
}

}  // namespace

std::size_t ensure_descriptors(std::size_t needed, std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    ring::throw_errno("cannot read the limit on open files");
  const rlim_t least = lowest_free(limit.rlim_cur) + needed;
  const rlim_t most = raised_limit(limit, least + wanted);
  if (most >= least) return std::min<rlim_t>(most - least, wanted);
  throw std::runtime_error(
      fmt::format("the limit on open files is {}, but tcpeek needs {}, {} of them for clients: {}",
                  limit.rlim_max, least, needed, kHowToRaise));
}

std::string descriptor_advice(const std::error_code& code) {
  if (code == std::errc::too_many_files_open_in_system) {
    return "; the whole machine has too many open files: raise sysctl fs.file-max";
  }
  rlimit limit{};
  if (code != std::errc::too_many_files_open || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  return fmt::format("; the limit on open files is {}: {}", limit.rlim_cur, kHowToRaise);
}

}  // namespace tcpeek::engine
