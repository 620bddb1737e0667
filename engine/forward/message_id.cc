#include "engine/forward/message_id.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/base/text.h"

namespace tcpeek::forward {
namespace {

constexpr std::size_t kMostTokenBytes = 128;
constexpr std::size_t kBootDigits = 16;

bool fits_a_token(char c) noexcept {
  return c > ' ' && c < '\x7f' && c != '.' && c != '*' && c != '>' && c != '"' && c != '\\';
}

std::optional<std::uint64_t> number(std::string_view text) noexcept {
  return engine::parse_number(text, 0, std::numeric_limits<std::uint64_t>::max());
}

// Takes what comes before `end` off the text; none if that does not occur.
std::optional<std::string_view> take_to(std::string_view& text, std::string_view end) noexcept {
  const std::size_t at = text.find(end);
  if (at == text.npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return taken;
}

// FROM..TO, FROM..TO.N.SERVICE
bool read_range(std::string_view text, MessageId& id) {
  const auto first = take_to(text, "..");
  if (!first) return false;
  const auto to = take_to(text, ".");
  const auto from_number = number(*first);
  const auto to_number = number(to ? *to : text);
  if (!from_number || !to_number || *from_number > *to_number) return false;
  id.range = true;
  id.from = *from_number;
  id.to = *to_number;
  if (!to) return true;
  const auto parts = take_to(text, ".");
  const auto parts_number = parts ? number(*parts) : std::nullopt;
  if (!parts_number || *parts_number == 0 || text.empty()) return false;
  id.parts = *parts_number;
  id.service = text;
  return true;
}

}  // namespace

std::string subject_token(std::string_view text) {
  std::string token(text.substr(0, kMostTokenBytes));
  std::ranges::replace_if(
      token, [](char c) { return !fits_a_token(c); }, '_');
  return token.empty() ? "_" : token;
}

std::string to_text(std::string_view host, const MessageId& id) {
  if (!id.range) return fmt::format("{}-{}-{}", host, id.boot, id.to);
  if (id.parts == 0) return fmt::format("{}-{}-{}..{}", host, id.boot, id.from, id.to);
  return fmt::format("{}-{}-{}..{}.{}.{}", host, id.boot, id.from, id.to, id.parts, id.service);
}

std::optional<MessageId> parse_message_id(std::string_view host, std::string_view text) {
  if (!text.starts_with(host)) return std::nullopt;
  text.remove_prefix(host.size());
  if (text.size() < kBootDigits + 3 || text[0] != '-' || text[kBootDigits + 1] != '-') {
    return std::nullopt;
  }
  MessageId id;
  id.boot = text.substr(1, kBootDigits);
  if (id.boot.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  text.remove_prefix(kBootDigits + 2);
  if (const auto seq = number(text)) {
    id.from = id.to = *seq;
    return id;
  }
  if (!read_range(text, id)) return std::nullopt;
  return id;
}

}  // namespace tcpeek::forward
