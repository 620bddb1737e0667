#include "ipc/server_sent_events.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tcpeek::ipc {
namespace {

constexpr std::string_view kHead =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/event-stream\r\n"
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Connection: close\r\n"
    "\r\n"
    "retry: 2000\n\n";
// Our own lines begin with what stamps them, before anything a stranger may have named.
constexpr std::size_t kStampBytes = 96;

// What follows `name` up to `end`; empty if it is not there.
std::string_view value_of(std::string_view line, std::string_view name, std::string_view ends) {
  const std::size_t at = line.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + name.size());
  return rest.substr(0, rest.find_first_of(ends));
}

std::optional<std::uint64_t> number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void append_id(std::string& text, std::string_view line) {
  const std::string_view stamp = line.substr(0, kStampBytes);
  const std::string_view boot = value_of(stamp, R"("boot":")", "\"");
  std::string_view seq = value_of(stamp, R"("seq":)", ",}");
  if (seq.empty()) seq = value_of(stamp, R"("at":)", ",}");
  if (boot.empty() || !number(seq)) return;
  text.append("id: ").append(boot).append(".").append(seq).append("\n");
}

}  // namespace

std::string_view event_stream_head() noexcept {
  return kHead;
}

void append_events(std::string& text, std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    append_id(text, line);
    text.append("data: ").append(line).append("\n\n");
  }
}

StreamFill as_events(StreamFill lines) {
  return [fill = std::move(lines), begun = false](std::string& piece) mutable {
    if (!std::exchange(begun, true)) piece += kHead;
    std::string taken;
    fill(taken);
    append_events(piece, taken);
  };
}

std::optional<std::uint64_t> resume_after(std::string_view id, std::string_view boot) {
  const std::size_t dot = id.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto seq = number(id.substr(dot + 1));
  if (!seq) return std::nullopt;
  return id.substr(0, dot) == boot ? *seq + 1 : 1;
}

}  // namespace tcpeek::ipc
