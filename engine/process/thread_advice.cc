#include "engine/process/thread_advice.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstddef>

namespace tcpeek::engine {
namespace {

// As glibc has it for a thread without attributes: the stack and its guard.
std::size_t stack_bytes() noexcept {
  constexpr std::size_t kUsual = std::size_t{8} << 20;
  pthread_attr_t attributes;
  if (::pthread_getattr_default_np(&attributes) != 0) return kUsual;
  std::size_t stack = 0;
  std::size_t guard = 0;
  ::pthread_attr_getstacksize(&attributes, &stack);
  ::pthread_attr_getguardsize(&attributes, &guard);
  ::pthread_attr_destroy(&attributes);
  return stack + guard;
}

bool stack_can_be_mapped(std::size_t bytes) noexcept {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return false;
  const bool usable = ::mprotect(memory, bytes, PROT_READ | PROT_WRITE) == 0;
  ::munmap(memory, bytes);
  return usable;
}

std::string limit_in_words(__rlimit_resource resource, rlim_t unit, const char* unit_name) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "unlimited";
  return std::to_string(limit.rlim_cur / unit) + unit_name;
}

}  // namespace

std::string thread_start_advice(const std::error_code& code) {
  if (code != std::errc::resource_unavailable_try_again) return {};
  if (const std::size_t bytes = stack_bytes(); !stack_can_be_mapped(bytes)) {
    return fmt::format(
        "; there is no address space for its stack of {} KiB: raise ulimit -v (now {}) or "
        "lower "
        "ulimit -s, or ask for less with -B, --threads or --max-sessions",
        bytes / 1024, limit_in_words(RLIMIT_AS, 1024, " KiB"));
  }
  return fmt::format(
      "; no more tasks are allowed: raise ulimit -u (now {}) or TasksMax= of the service, or ask "
      "for "
      "fewer --threads",
      limit_in_words(RLIMIT_NPROC, 1, ""));
}

}  // namespace tcpeek::engine
