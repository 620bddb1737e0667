#include "engine/base/service_names.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <map>

#include "engine/base/read_text.h"
#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;
constexpr std::size_t kMostNames = 4096;
constexpr std::string_view kBlanks = " \t\r";

// The next word of a line, cut off.
std::string_view take_word(std::string_view& line) noexcept {
  line.remove_prefix(std::min(line.size(), line.find_first_not_of(kBlanks)));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

// Names as IANA gives them (RFC 6335), and older ones: none that JSON would have to quote.
bool is_name(std::string_view word) noexcept {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+";
  return !word.empty() && word.size() <= 32 &&
         word.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

std::string service_names_json(std::string_view text) {
  std::map<std::uint64_t, std::string_view> names;
  while (!text.empty() && names.size() < kMostNames) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line = line.substr(0, line.find('#'));
    const std::string_view name = take_word(line);
    const std::string_view port = take_word(line);
    if (!is_name(name) || !port.ends_with("/tcp")) continue;
    const auto number = parse_number(port.substr(0, port.size() - 4), 1, 65535);
    if (number) names.emplace(*number, name);
  }
  std::string json = "{";
  for (const auto& [port, name] : names) {
    if (json.size() > 1) json += ',';
    json.append("\"").append(std::to_string(port)).append("\":\"").append(name).append("\"");
  }
  return json + '}';
}

std::string service_names_here() {
  try {
    return service_names_json(read_text("/etc/services", kMostBytes));
  } catch (const std::exception&) {
    return "{}";
  }
}

}  // namespace tcpeek::engine
