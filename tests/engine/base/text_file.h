// A file in memory: what was written to its descriptor can be read back.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <string>
#include <vector>

#include "ring/descriptor.h"

namespace tcpeek::engine::test {

inline std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class TextFile {
 public:
  TextFile() : file_(::memfd_create("text", MFD_CLOEXEC)) {
    if (file_.get() < 0) ring::throw_errno("memfd_create");
  }

  [[nodiscard]] int descriptor() const { return file_.get(); }

  [[nodiscard]] std::string text() const {
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
      const auto n =
          ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
      if (n < 0) ring::throw_errno("pread");
      if (n == 0) return text;
      text.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }
  [[nodiscard]] std::vector<std::string> lines() const { return lines_of(text()); }

 private:
  ring::Descriptor file_;
};

}  // namespace tcpeek::engine::test
