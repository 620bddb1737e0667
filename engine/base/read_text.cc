#include "engine/base/read_text.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "engine/base/text.h"
#include "engine/base/usage_error.h"
#include "ring/descriptor.h"

namespace tcpeek::engine {

std::string read_text(const std::string& path, std::size_t most) {
  const ring::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (file.get() < 0) throw std::system_error(errno, std::generic_category());
  std::string text;
  std::array<char, 65536> buffer;  // NOLINT(*-member-init): read() fills what is used
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw std::system_error(errno, std::generic_category());
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > most) throw std::length_error(path);
  }
}

std::string read_option_file(std::string_view option, const std::string& path, std::size_t most) {
  try {
    return read_text(path, most);
  } catch (const std::length_error&) {
    throw UsageError(fmt::format("{}: {} has more than {} bytes", option, in_quotes(path), most));
  } catch (const std::system_error& e) {
    throw UsageError(
        fmt::format("{}: cannot read {}: {}", option, in_quotes(path), e.code().message()));
  }
}

}  // namespace tcpeek::engine
