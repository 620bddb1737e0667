// Text from the user and text for the user: numbers are parsed strictly, and text from outside (names of
// interfaces, files, users, filters; arguments) is printed so that it can neither break a line nor
// control a terminal nor reverse the text around it.
//
// Messages quote such text through printable() or in_quotes(); the log escapes whatever is left
// (engine/output/log.h), so a forgotten call does no harm.
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
  // False for bytes that are not UTF-8 (RFC 3629), control characters (C0, DEL, C1), line separators
  // and bidirectional controls.
  bool printable = false;
};

[[nodiscard]] Character first_character(std::string_view text) noexcept;

// `text` with every byte of an unprintable character as \xNN: always one line.
[[nodiscard]] std::string printable(std::string_view text);

// printable() of each line, for messages of several lines.
[[nodiscard]] std::string printable_lines(std::string_view text);

// 'printable(text)', quotes included.
[[nodiscard]] std::string in_quotes(std::string_view text);
// Of what is refused, the beginning: the rest of a long one helps nobody.
[[nodiscard]] std::string in_quotes_shortened(std::string_view text);

// Columns that printable(text) takes up, one for each character.
[[nodiscard]] std::size_t printed_width(std::string_view text) noexcept;

}  // namespace tcpeek::engine
