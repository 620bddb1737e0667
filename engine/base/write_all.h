// All of a text to a descriptor that waits: in as many pieces as it takes.
//
// Thread contract: none; it waits.
// Errors: false, and errno says why.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>

namespace tcpeek::engine {

[[nodiscard]] inline bool write_all(int descriptor, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace tcpeek::engine
