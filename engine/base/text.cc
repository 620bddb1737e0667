// Numbers parsed strictly, text printed safely (engine/base/text.h).
#include "engine/base/text.h"

#include <array>
#include <charconv>

namespace tcpeek::engine {
namespace {

constexpr std::size_t kEscapedByteWidth = 4;  // \xNN

constexpr bool is_unprintable(char32_t c) noexcept {
  const bool control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
  const bool separator = c == 0x2028 || c == 0x2029;
  // Bidi_Control of the Unicode character database, and the deprecated U+206A to U+206F.
  const bool bidirectional = c == 0x061c || c == 0x200e || c == 0x200f ||
                             (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x206f);
  return control || separator || bidirectional;
}

// Bytes of the sequence that `lead` begins; 0 when no sequence begins so.
constexpr std::size_t sequence_length(unsigned char lead) noexcept {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t lowest,
                                          std::uint64_t highest) noexcept {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);  // no sign for unsigned types
  if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
  if (value < lowest || value > highest) return std::nullopt;
  return value;
}

Character first_character(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = sequence_length(lead);
  if (length == 0 || length > text.size()) return {1, false};

  constexpr std::array<unsigned char, 5> kLeadMask{0, 0x7f, 0x1f, 0x0f, 0x07};
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  char32_t value = lead & kLeadMask[length];
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return {1, false};
    value = (value << 6) | (byte & 0x3fU);
  }
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kSmallest[length] || value > 0x10ffff || surrogate) return {1, false};
  return {length, !is_unprintable(value)};
}

std::string printable(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_character(text);
    for (const char byte : text.substr(0, c.bytes)) {
      if (c.printable) {
        out += byte;
        continue;
      }
      const auto value = static_cast<unsigned char>(byte);
      out += "\\x";
      out += kHex[value >> 4];
      out += kHex[value & 0xf];
    }
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t end = text.find('\n');
    out += printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

std::string in_quotes(std::string_view text) {
  std::string out("'");
  return out.append(printable(text)).append("'");
}

std::string in_quotes_shortened(std::string_view text) {
  constexpr std::size_t kShownBytes = 40;
  if (text.size() <= kShownBytes) return in_quotes(text);
  return in_quotes(text.substr(0, kShownBytes)) + "...";
}

std::size_t printed_width(std::string_view text) noexcept {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character c = first_character(text);
    width += c.printable ? 1 : c.bytes * kEscapedByteWidth;
    text.remove_prefix(c.bytes);
  }
  return width;
}

}  // namespace tcpeek::engine
