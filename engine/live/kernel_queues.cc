#include "engine/live/kernel_queues.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <system_error>

namespace tcpeek::engine {
namespace {

// Linux 6.18 writes 6 KiB.
constexpr std::size_t kTextBytes = 65'536;
constexpr std::string_view kPrefix = "TcpExt:";

// Takes the first word off.
std::string_view take_column(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  line.remove_prefix(begin);
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::uint64_t number(std::string_view word) {
  std::uint64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

std::optional<ring::ListenerDump> open_dump() {
  try {
    return std::optional<ring::ListenerDump>(std::in_place);
  } catch (const std::system_error&) {
    return std::nullopt;
  }
}

}  // namespace

// A line of names, then one of values in their order.
std::optional<ListenCounters> parse_listen_counters(std::string_view text) {
  while (!text.empty()) {
    std::string_view names = take_line(text);
    if (!names.starts_with(kPrefix)) continue;
    std::string_view values = take_line(text);
    if (!values.starts_with(kPrefix)) return std::nullopt;
    ListenCounters counters;
    bool found = false;
    for (;;) {
      const std::string_view name = take_column(names);
      const std::string_view value = take_column(values);
      if (name.empty() || value.empty()) break;
      if (name == "ListenOverflows") {
        counters.overflows = number(value);
        found = true;
      }
      if (name == "ListenDrops") counters.drops = number(value);
      if (name == "TCPReqQFullDrop") counters.syn_queue_drops = number(value);
    }
    return found ? std::optional(counters) : std::nullopt;
  }
  return std::nullopt;
}

KernelQueueReader::KernelQueueReader()
    : netstat_(::open("/proc/self/net/netstat", O_RDONLY | O_CLOEXEC)),
      dump_(open_dump()),
      text_(kTextBytes, '\0') {}

void KernelQueueReader::read(KernelQueues& queues) {
  queues.counters = read_counters();
  queues.listeners_known = dump_ && dump_->read(queues.listeners);
  if (!queues.listeners_known) queues.listeners.clear();
}

// The kernel writes the text anew for whoever reads from its beginning.
std::optional<ListenCounters> KernelQueueReader::read_counters() {
  if (netstat_.get() < 0) return std::nullopt;
  std::size_t length = 0;
  while (length < text_.size()) {
    const auto got = ::pread(netstat_.get(), text_.data() + length, text_.size() - length,
                             static_cast<off_t>(length));
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  return parse_listen_counters(std::string_view(text_).substr(0, length));
}

}  // namespace tcpeek::engine
