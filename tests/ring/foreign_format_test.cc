// Files that are not captures are named as what they are. Where the program that makes such a file is
// installed, it makes one.
#include "ring/foreign_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/ring/ways_in.h"

namespace tcpeek::ring::savefile_test {
namespace {

using ::testing::HasSubstr;
using std::string_view_literals::operator""sv;

Octets octets(std::string_view text) {
  Octets bytes;
  for (const char c : text) test::put8(bytes, static_cast<unsigned char>(c));
  return bytes;
}

std::string name_of(std::string_view text) {
  const Octets bytes = octets(text);
  auto format = foreign_format(bytes);
  if (!format) format = text_format(bytes);
  return format ? format->name : "";
}

TEST(ForeignFormatTest, EachIsKnownByItsFirstBytes) {
  const struct {
    std::string_view bytes;
    const char* name;
  } cases[] = {
      {"\xfd\x37zXZ\0\0\x04"sv, "xz"},
      {"\x5d\0\0\x80\0\xff\xff\xff"sv, "lzma"},
      {"BZh91AY&SY"sv, "bzip2"},
      {"\x04\x22\x4d\x18\x64"sv, "lz4"},
      {"\x02\x21\x4c\x18"sv, "legacy"},
      {"LZIP\x01"sv, "lzip"},
      {"\x89LZO\0\r\n\x1a\n"sv, "lzop"},
      {"\x1f\x9d\x90"sv, "compress(1)"},
      {"PK\x03\x04\x14"sv, "zip"},
      {"PK\x05\x06\0"sv, "empty zip"},
      {"7z\xbc\xaf\x27\x1c\0"sv, "7z"},
      {"Rar!\x1a\x07\x01"sv, "rar"},
      {"snoop\0\0\0\0\0\0\x02"sv, "snoop"},
      {"RTSS\x01\x01"sv, "NetMon 1"},
      {"GMBU\0\x02"sv, "NetMon 2"},
      {"TRSNIFF data    \x1a"sv, "Sniffer"},
      {"XCP\0"
       "002.002"sv,
       "NetXRay"},
      {"iptrace 2.0"sv, "iptrace"},
      {"btsnoop\0\0\0\0\x01"sv, "Bluetooth"},
      {"\xa1\xb2\xcd\x34\0\x02\0\x04"sv, "modified"},
      {"\x34\xcd\xb2\xa1\x02\0\x04\0"sv, "modified"},
      {"SQLite format 3\0"sv, "SQLite"},
      {"12:00:01.5 IP 192.0.2.1.80 > 192.0.2.2.1024: tcp 0\n"sv, "text"},
      {"<html>"sv, "text"},
  };
  for (const auto& c : cases) EXPECT_THAT(name_of(c.bytes), HasSubstr(c.name));
  EXPECT_THAT(name_of(std::string(257, 'a') + "ustar"), HasSubstr("tar archive"));
}

TEST(ForeignFormatTest, WhatIsCutBeforeItsMarkEndsIsUnknown) {
  for (const std::string_view whole : {"\xfd\x37zXZ\0"sv, "snoop\0\0\0"sv, "\x04\x22\x4d\x18"sv}) {
    EXPECT_EQ(name_of(whole.substr(0, whole.size() - 1)).find("compressed"), std::string::npos);
  }
  EXPECT_EQ(name_of(""), "");
  EXPECT_EQ(name_of("\0\0\0\0"sv), "");
  EXPECT_EQ(name_of("text, and then \x01"), "");
}

TEST(ForeignFormatTest, NoCaptureFileIsForeign) {
  for (const auto order : {test::Order::little, test::Order::big}) {
    EXPECT_FALSE(foreign_format(test::PcapngWriter(order).bytes()));
    for (const auto unit :
         {test::PcapWriter::Unit::microseconds, test::PcapWriter::Unit::nanoseconds}) {
      EXPECT_FALSE(foreign_format(test::PcapWriter(order, unit).bytes()));
    }
  }
}

// However little comes at once, and however much: the words are the same.
TEST(ForeignFormatTest, TheNameDoesNotDependOnTheWindows) {
  const std::string long_name(100, 'a');
  for (const std::string& content :
       {std::string("text\n"), std::string(600, 't'), std::string(100, 't') + '\1',
        std::string(600, 't') + '\1', long_name + std::string(157, '\0') + "ustar  ",
        std::string("snoop\0\0\0\0", 9), std::string("\1\2")}) {
    const Octets bytes = octets(content);
    const std::string whole = read_exact(bytes, 1 << 20).refused;
    EXPECT_EQ(read_exact(bytes).refused, whole);
    EXPECT_EQ(read_exact(bytes, 5).refused, whole);
    EXPECT_EQ(read_file(bytes).refused, whole);
    EXPECT_EQ(read_pipe(bytes).refused, whole);
    EXPECT_EQ(read_file(gzip(bytes)).refused, whole);
  }
}

// The real thing: made by the program, read as a user would give it.
TEST(ForeignFormatTest, WhatProgramsWriteIsRecognised) {
  const TempFile capture(test::PcapWriter(test::Order::little, test::PcapWriter::Unit::microseconds)
                             .packet(1, 2, pattern(60))
                             .bytes());
  const struct {
    const char* program;
    const char* command;  // from $IN to $OUT
    const char* name;
  } cases[] = {
      {"xz", "xz -c $IN >$OUT", "xz-compressed"},
      {"xz", "xz --format=lzma -c $IN >$OUT", "lzma-compressed"},
      {"bzip2", "bzip2 -c $IN >$OUT", "bzip2-compressed"},
      {"lz4", "lz4 -q -c $IN >$OUT", "lz4-compressed file"},
      {"lz4", "lz4 -q -l -c $IN >$OUT", "legacy"},
      {"zip", "zip -q - $IN >$OUT", "zip archive"},
      {"7z", "7z a -so -t7z x $IN >$OUT", "7z archive"},
      {"tar", "tar -C / -cf - ${IN#/} >$OUT", "tar archive"},
      {"editcap", "editcap -F snoop $IN $OUT", "snoop"},
      {"editcap", "editcap -F netmon1 $IN $OUT", "NetMon 1"},
      {"editcap", "editcap -F netmon2 $IN $OUT", "NetMon 2"},
      {"editcap", "editcap -F modpcap $IN $OUT", "modified"},
  };
  int made = 0;
  for (const auto& c : cases) {
    const TempFile file({});
    const std::string shell = "command -v " + std::string(c.program) +
                              " >/dev/null || exit 9; IN=" + capture.path() +
                              " OUT=" + file.path() + "; " + c.command + " 2>/dev/null";
    if (std::system(shell.c_str()) != 0) continue;  // NOLINT: a test's own command
    ++made;
    const FileRead read = read_all(open_input(file.path(), -1));
    EXPECT_THAT(read.refused, HasSubstr(c.name)) << c.command;
  }
  EXPECT_GT(made, 0) << "tar at least is everywhere";
}

}  // namespace
}  // namespace tcpeek::ring::savefile_test
