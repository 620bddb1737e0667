// Quoting is our own: nlohmann takes four seconds to compile for it. The time is taken apart by the
// calendar types of <chrono>, which need no time zone and no C library buffer.
#include "ipc/json_text.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace tcpeek::ipc {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The start of a text: `size` bytes that are one character, or, where they are not valid, the bytes
// that one U+FFFD stands for.
struct Character {
  std::size_t size;
  bool valid;
};

constexpr bool within(unsigned char byte, unsigned char first, unsigned char last) noexcept {
  return first <= byte && byte <= last;
}

// Table 3-7 of the Unicode standard. What is not well formed is cut as the standard recommends:
// after the longest start that some character has, one byte at least.
constexpr Character first_character(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, true};
  std::size_t size = 0;
  if (within(lead, 0xC2, 0xDF)) size = 2;
  if (within(lead, 0xE0, 0xEF)) size = 3;
  if (within(lead, 0xF0, 0xF4)) size = 4;
  if (size == 0) return {1, false};
  // The second byte rules out overlong forms, surrogates, and what is beyond U+10FFFF.
  const unsigned char first = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char last = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (text.size() < 2 || !within(byte(1), first, last)) return {1, false};
  for (std::size_t at = 2; at < size; ++at) {
    if (text.size() <= at || !within(byte(at), 0x80, 0xBF)) return {at, false};
  }
  return {size, true};
}

// The code point of a valid character.
char32_t code_point(std::string_view character) noexcept {
  constexpr std::array<unsigned, 5> kLeadBits{0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t value = static_cast<unsigned char>(character[0]) & kLeadBits[character.size()];
  for (const char byte : character.substr(1)) {
    value = value << 6 | (static_cast<unsigned char>(byte) & 0x3FU);
  }
  return value;
}

// What a terminal that shows the text would obey: DEL, C1 controls, line separators and Bidi_Control of
// the Unicode character database.
constexpr bool drives_terminal(char32_t c) noexcept {
  return (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x206F);
}

void append_number(std::string& out, char32_t c) {
  fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(c));
}

// What stands for an ASCII character within a string.
void append_escaped(std::string& out, char character) {
  switch (character) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      if (static_cast<unsigned char>(character) >= 0x20) {
        out += character;
      } else {
        append_number(out, static_cast<unsigned char>(character));
      }
  }
}

}  // namespace

std::string json_quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  while (!text.empty()) {
    const Character next = first_character(text);
    if (!next.valid) {
      out += kReplacement;
    } else if (const char32_t c = code_point(text.substr(0, next.size)); drives_terminal(c)) {
      append_number(out, c);
    } else if (next.size == 1) {
      append_escaped(out, text.front());
    } else {
      out += text.substr(0, next.size);
    }
    text.remove_prefix(next.size);
  }
  out += '"';
  return out;
}

std::string error_reply(std::string_view message) {
  return R"({"error":)" + json_quoted(message) + "}";
}

std::string rfc3339_utc(std::chrono::system_clock::time_point time) {
  using std::chrono::days;
  using std::chrono::floor;
  using std::chrono::microseconds;

  // In microseconds from here on: the midnight before the first nanosecond there is, is none.
  const auto shown = floor<microseconds>(time);
  const auto midnight = floor<days>(shown);
  const std::chrono::year_month_day date{midnight};
  const std::chrono::hh_mm_ss clock{shown - midnight};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string json_seconds(Elapsed duration) {
  constexpr auto kMicrosecondsPerSecond = Elapsed::period::den;
  return fmt::format("{}.{:06}", duration.count() / kMicrosecondsPerSecond,
                     duration.count() % kMicrosecondsPerSecond);
}

}  // namespace tcpeek::ipc
