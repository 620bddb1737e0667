// Numbers parsed strictly, text printed safely.
#include "engine/base/text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace tcpeek::engine {
namespace {

using namespace std::string_literals;

TEST(ParseNumber, takes_digits_within_the_bounds) {
  EXPECT_EQ(parse_number("0", 0, 10), 0U);
  EXPECT_EQ(parse_number("1", 1, 10), 1U);
  EXPECT_EQ(parse_number("10", 1, 10), 10U);
  EXPECT_EQ(parse_number("00000000000000000000000007", 1, 10), 7U);
  EXPECT_EQ(parse_number("18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
}

TEST(ParseNumber, refuses_everything_else) {
  for (const std::string text : {"", "0", "11", "+1", "-1", " 1", "1 ", "1x", "x", "0x1", "1.0",
                                 "1e0", "18446744073709551616", "99999999999999999999999"}) {
    EXPECT_EQ(parse_number(text, 1, 10), std::nullopt) << '"' << text << '"';
  }
  EXPECT_EQ(parse_number("1\0"s, 1, 10), std::nullopt);
  EXPECT_EQ(parse_number("18446744073709551616", 0, UINT64_MAX), std::nullopt);
}

TEST(FirstCharacter, knows_utf8_and_its_bounds) {
  struct Case {
    std::string text;
    std::size_t bytes;
    bool printable;
  };
  const Case cases[] = {
      {"a", 1, true},
      {" ", 1, true},
      {"~", 1, true},
      {"\x7f", 1, false},
      {"\n", 1, false},
      {"\0"s, 1, false},
      {"\xc2\xa0", 2, true},
      {"\xc2\x9f", 2, false},          // C1
      {"\xc0\x80", 1, false},          // overlong NUL
      {"\xc1\xbf", 1, false},          // overlong
      {"\xe3\x81\xa6", 3, true},       // hiragana
      {"\xe0\x9f\xbf", 1, false},      // overlong
      {"\xed\x9f\xbf", 3, true},       // the last before the surrogates
      {"\xed\xa0\x80", 1, false},      // surrogate
      {"\xe2\x80\xa8", 3, false},      // line separator
      {"\xe2\x80\xae", 3, false},      // right-to-left override
      {"\xe2\x80\xa7", 3, true},       // a neighbour: hyphenation point
      {"\xe2\x80\x8e", 3, false},      // left-to-right mark
      {"\xe2\x81\xa6", 3, false},      // left-to-right isolate
      {"\xe2\x81\xa9", 3, false},      // pop directional isolate
      {"\xe2\x81\xaf", 3, false},      // nominal digit shapes, the last deprecated one
      {"\xe2\x81\xb0", 3, true},       // a neighbour: superscript zero
      {"\xd8\x9c", 2, false},          // Arabic letter mark
      {"\xd8\x9b", 2, true},           // a neighbour: Arabic semicolon
      {"\xc2\x9b", 2, false},          // CSI, as ESC [
      {"\xf0\x90\x80\x80", 4, true},   // U+10000
      {"\xf0\x8f\xbf\xbf", 1, false},  // overlong
      {"\xf4\x8f\xbf\xbf", 4, true},   // U+10FFFF
      {"\xf4\x90\x80\x80", 1, false},  // beyond
      {"\xf5\x80\x80\x80", 1, false},
      {"\x80", 1, false},
      {"\xff", 1, false},
      {"\xe3\x81", 1, false},  // cut short
      {"\xe3\x81z", 1, false},
      {"\xc3(", 1, false},
  };
  for (const Case& c : cases) {
    const Character got = first_character(c.text);
    EXPECT_EQ(got.bytes, c.bytes) << printable(c.text);
    EXPECT_EQ(got.printable, c.printable) << printable(c.text);
  }
}

TEST(Printable, escapes_what_could_break_a_line) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("plain text"), "plain text");
  EXPECT_EQ(printable("\xe3\x81\xa6"), "\xe3\x81\xa6");
  EXPECT_EQ(printable("a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
  EXPECT_EQ(printable("\xff\xe2\x80\xae"), "\\xff\\xe2\\x80\\xae");
  EXPECT_EQ(printable("\0x"s), "\\x00x");
  EXPECT_EQ(in_quotes("a\tb"), "'a\\x09b'");
}

TEST(PrintableLines, keeps_newlines_and_nothing_else) {
  EXPECT_EQ(printable_lines(""), "");
  EXPECT_EQ(printable_lines("one\ntwo"), "one\ntwo");
  EXPECT_EQ(printable_lines("\na\x1b\n\nb\r\xc2\x9b\n"), "\na\\x1b\n\nb\\x0d\\xc2\\x9b\n");
}

TEST(PrintedWidth, is_the_number_of_characters_of_what_is_printed) {
  EXPECT_EQ(printed_width(""), 0U);
  EXPECT_EQ(printed_width("abc"), 3U);
  EXPECT_EQ(printed_width("\xe3\x81\xa6\xe3\x81\x83"), 2U);
  EXPECT_EQ(printed_width("\n"), printable("\n").size());
  EXPECT_EQ(printed_width("\xe2\x80\xae"), printable("\xe2\x80\xae").size());
}

}  // namespace
}  // namespace tcpeek::engine
