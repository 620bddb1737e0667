#include "engine/base/journal.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdint>
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

namespace {

// A value with a newline in it is preceded by its size, 64 bits, the least first.
void append_field(std::string& datagram, std::string_view name, std::string_view value) {
  datagram += name;
  if (value.find('\n') == std::string_view::npos) {
    datagram += '=';
  } else {
    datagram += '\n';
    for (unsigned shift = 0; shift < 64; shift += 8) {
      datagram += static_cast<char>(static_cast<std::uint64_t>(value.size()) >> shift);
    }
  }
  datagram += value;
  datagram += '\n';
}

}  // namespace

std::string journal_datagram(int severity, std::string_view text, const JournalEntry& entry) {
  std::string datagram;
  append_field(datagram, "MESSAGE", text);
  append_field(datagram, "PRIORITY", std::to_string(severity));
  append_field(datagram, "SYSLOG_IDENTIFIER", "tcpeek");
  if (!entry.message_id.empty()) append_field(datagram, "MESSAGE_ID", entry.message_id);
  for (const auto& [name, value] : entry.fields) append_field(datagram, name, value);
  return datagram;
}

}  // namespace tcpeek::engine
