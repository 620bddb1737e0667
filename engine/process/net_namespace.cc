#include "engine/process/net_namespace.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "engine/base/text.h"
#include "ring/descriptor.h"

namespace tcpeek::engine {
namespace {

constexpr std::string_view kNames = "/run/netns/";  // ip-netns(8)

bool is_process(std::string_view which) noexcept {
  return which.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string path_of(const std::string& which) {
  return is_process(which) ? "/proc/" + which + "/ns/net" : std::string(kNames) + which;
}

std::string advice_for(const std::string& which, int error) {
  if (error == ENOENT && is_process(which)) return ": there is no such process";
  if (error == ENOENT) return "; see ip netns list, or give a process ID";
  if (error == EPERM || error == EACCES) {
    return "; this needs root, or CAP_SYS_ADMIN as well as CAP_NET_RAW";
  }
  if (error == EINVAL) return ": not a network namespace";
  return "";
}

}  // namespace

void enter_net_namespace(const std::string& which) {
  const std::string path = path_of(which);
  const ring::Descriptor name_space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (name_space.get() >= 0 && ::setns(name_space.get(), CLONE_NEWNET) == 0) return;
  const int error = errno;
  throw std::runtime_error("--netns: cannot enter " + in_quotes(which) + " (" + printable(path) +
                           "): " + std::generic_category().message(error) +
                           advice_for(which, error));
}

}  // namespace tcpeek::engine
