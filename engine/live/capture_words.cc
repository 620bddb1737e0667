#include "engine/live/capture_words.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/process/fd_limit.h"

namespace tcpeek::engine {

std::string in_words(const ring::CaptureFilter& filter) {
  std::string words = filter.scope == ring::CaptureScope::tcp
                          ? "all TCP segments"
                          : "SYN, RST, FIN and segments without payload";
  if (filter.icmp) words += ", ICMP errors";
  if (filter.tunnels.any()) words += ", in tunnels as well";
  if (!filter.narrowed_by.empty()) words += ", where " + printable(filter.narrowed_by);
  return words;
}

std::string advice_for_capture(const std::error_code& code, const Interfaces& interfaces) {
  if (code == std::errc::operation_not_permitted || code == std::errc::permission_denied) {
    return "; capturing needs CAP_NET_RAW: start tcpeek as root, or give the binary the capability "
           "(setcap cap_net_raw+ep)";
  }
  if (code == std::errc::not_enough_memory) {
    return "; try smaller rings (-B) or fewer readers (--threads)";
  }
  const bool some_down = std::ranges::any_of(interfaces.stats(), [](const auto& interface) {
    return interface.state == ipc::InterfaceState::down;
  });
  if (code == std::errc::invalid_argument && some_down) {
    return "; before Linux 6.13 several readers need an interface that is up: set it up first, or "
           "say --threads 1";
  }
  return descriptor_advice(code);
}

}  // namespace tcpeek::engine
