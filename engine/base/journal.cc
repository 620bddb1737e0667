#include "engine/base/journal.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>

namespace tcpeek::engine {

bool leads_to_journal(int descriptor) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  if (stream == nullptr) return false;
  struct stat found {};
  if (::fstat(descriptor, &found) != 0) return false;
  return fmt::format("{}:{}", found.st_dev, found.st_ino) == stream;
}

std::string marked_for_journal(std::string_view text, int severity) {
  const std::string mark = fmt::format("<{}>", severity);
  std::string marked = mark;
  for (const char c : text) {
    marked.push_back(c);
    if (c == '\n') marked += mark;
  }
  return marked;
}

}  // namespace tcpeek::engine
