// Text that people typed and text that people will read: numbers are taken strictly, and nothing
// that came from outside is shown in a way that could break a line or drive a terminal.
//
// Thread contract: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tcpeek::engine {

// Decimal digits and nothing else (no sign, no blank), from `lowest` to `highest`. Leading zeros
// are accepted.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t lowest,
                                                        std::uint64_t highest) noexcept;

// The first character of a text that is not empty.
struct Character {
  std::size_t bytes = 1;
  // False for what is no UTF-8 (RFC 3629), control characters, line separators and the marks that
  // reverse the direction of writing.
  bool printable = false;
};

[[nodiscard]] Character first_character(std::string_view text) noexcept;

// `text` with every byte of an unprintable character as \xNN: one line, whatever came in.
[[nodiscard]] std::string printable(std::string_view text);

// 'printable(text)', quotes included.
[[nodiscard]] std::string in_quotes(std::string_view text);

// Places printable(text) takes in a line, one for each character.
[[nodiscard]] std::size_t printed_width(std::string_view text) noexcept;

}  // namespace tcpeek::engine
