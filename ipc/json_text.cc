// Quoting is our own: nlohmann takes four seconds to compile for it. The time is taken apart by the
// calendar types of <chrono>, which need no time zone and no C library buffer.
#include "ipc/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace tcpeek::ipc {
namespace {

constexpr std::uint64_t kMicrosecondsASecond = Elapsed::period::den;
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

// ASCII that stands for itself.
constexpr bool is_plain(char c) noexcept {
  return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

// The last `digits` digits of a number; fmt takes three times as long for a field of a known width.
char* put_digits(char* out, std::uint64_t number, std::size_t digits) noexcept {
  for (std::size_t i = digits; i-- > 0; number /= 10) out[i] = static_cast<char>('0' + number % 10);
  return out + digits;
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

void append_json_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    // Most texts are plain from beginning to end.
    const auto plain =
        static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
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
}

std::string json_quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_json_quoted(out, text);
  return out;
}

std::string error_reply(std::string_view message) {
  return R"({"error":)" + json_quoted(message) + "}";
}

// A clock of nanoseconds in 64 bits ends in 2262: years have four digits.
void append_rfc3339_utc(std::string& out, std::chrono::system_clock::time_point time) {
  using std::chrono::days;
  using std::chrono::floor;
  using std::chrono::microseconds;

  // In microseconds from here on: the midnight before the first nanosecond there is, is none.
  const auto shown = floor<microseconds>(time);
  const auto midnight = floor<days>(shown);
  const std::chrono::year_month_day date{midnight};
  const auto us = static_cast<std::uint64_t>((shown - midnight).count());
  const std::uint64_t s = us / kMicrosecondsASecond;

  std::array<char, std::string_view("2024-02-29T23:59:59.000001Z").size()> text;
  char* at = put_digits(text.data(), static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  const auto put = [&](char before, std::uint64_t number, std::size_t digits) {
    *at = before;
    at = put_digits(at + 1, number, digits);
  };
  put('-', static_cast<unsigned>(date.month()), 2);
  put('-', static_cast<unsigned>(date.day()), 2);
  put('T', s / 3600, 2);
  put(':', s / 60 % 60, 2);
  put(':', s % 60, 2);
  put('.', us % kMicrosecondsASecond, 6);
  *at = 'Z';
  out.append(text.data(), text.size());
}

std::string rfc3339_utc(std::chrono::system_clock::time_point time) {
  std::string out;
  append_rfc3339_utc(out, time);
  return out;
}

void append_json_seconds(std::string& out, Elapsed duration) {
  const fmt::format_int whole(duration.count() / kMicrosecondsASecond);
  out.append(whole.data(), whole.size());
  std::array<char, 7> fraction{'.'};
  put_digits(fraction.data() + 1, duration.count() % kMicrosecondsASecond, 6);
  out.append(fraction.data(), fraction.size());
}

std::string json_seconds(Elapsed duration) {
  std::string out;
  append_json_seconds(out, duration);
  return out;
}

}  // namespace tcpeek::ipc
