#include "ring/foreign_format.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace tcpeek::ring {
namespace {

using namespace std::string_view_literals;

constexpr ForeignFormat compressed(const char* name, const char* command) {
  return {.name = name, .reads = "gzip and zstd", .command = command, .standard_input = ""};
}

// Most tools have to seek, so none reads standard input.
constexpr ForeignFormat archive(const char* name, const char* command) {
  return {.name = name, .reads = "what is in it", .command = command};
}

constexpr ForeignFormat capture(const char* name) {
  return {.name = name,
          .reads = "pcap and pcapng",
          .command = "editcap -F pcap",
          .after_name = " -",
          .standard_input = "-",
          .sees_through = true};
}

constexpr ForeignFormat other(const char* name) {
  return {.name = name, .reads = ""};
}

constexpr ForeignFormat kTar{.name = "a tar archive",
                             .reads = "what is in it",
                             .command = "tar -xOf",
                             .standard_input = "-",
                             .sees_through = true};

struct Known {
  std::string_view magic;
  ForeignFormat format;
  std::size_t offset = 0;
};

constexpr auto kKnown = std::to_array<Known>({
    {"\xfd\x37zXZ\0"sv, compressed("an xz-compressed file", "xz -dc")},
    {"\x5d\0\0"sv, compressed("an lzma-compressed file", "xz -dc")},
    {"BZh"sv, compressed("a bzip2-compressed file", "bzip2 -dc")},
    {"\x04\x22\x4d\x18"sv, compressed("an lz4-compressed file", "lz4 -dc")},
    {"\x02\x21\x4c\x18"sv, compressed("an lz4-compressed file (legacy format)", "lz4 -dc")},
    {"LZIP"sv, compressed("an lzip-compressed file", "lzip -dc")},
    {"\x89LZO\0\r\n\x1a\n"sv, compressed("an lzop-compressed file", "lzop -dc")},
    {"\x1f\x9d"sv, compressed("a file compressed by compress(1)", "gzip -dc")},

    {"PK\x03\x04"sv, archive("a zip archive", "unzip -p")},
    {"PK\x05\x06"sv, archive("an empty zip archive", nullptr)},
    {"PK\x07\x08"sv, archive("a zip archive", "unzip -p")},
    {"7z\xbc\xaf\x27\x1c"sv, archive("a 7z archive", "7z x -so")},
    {"Rar!\x1a\x07"sv, archive("a rar archive", "unrar p -inul")},
    {"ustar"sv, kTar, 257},

    {"snoop\0\0\0"sv, capture("a snoop file")},
    {"RTSS"sv, capture("a Microsoft NetMon 1 file")},
    {"GMBU"sv, capture("a Microsoft NetMon 2 file")},
    {"TRSNIFF data    \x1a"sv, capture("a Sniffer file")},
    {"XCP\0"sv, capture("a NetXRay or Sniffer for Windows file")},
    {"\x7fver"sv, capture("an OmniPeek file")},
    {"ObserverPktBuffe"sv, capture("a Network Instruments Observer file")},
    {"iptrace 1.0"sv, capture("an iptrace file")},
    {"iptrace 2.0"sv, capture("an iptrace file")},
    {"\xa1\xb2\xcd\x34"sv, capture("a pcap file of the 'modified' kind")},
    {"\x34\xcd\xb2\xa1"sv, capture("a pcap file of the 'modified' kind")},
    {"btsnoop\0"sv, other("a capture of Bluetooth (btsnoop)")},

    {"\x7f\x45LF"sv, other("a program (ELF)")},
    {"%PDF-"sv, other("a PDF document")},
    {"SQLite format 3\0"sv, other("an SQLite database")},
});

bool is_text(std::byte byte) noexcept {
  const auto c = std::to_integer<unsigned char>(byte);
  return (c >= 0x20 && c < 0x7f) || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace

std::optional<ForeignFormat> foreign_format(std::span<const std::byte> first) noexcept {
  const std::string_view bytes(reinterpret_cast<const char*>(first.data()), first.size());
  for (const Known& known : kKnown) {
    if (bytes.size() >= known.offset && bytes.substr(known.offset).starts_with(known.magic)) {
      return known.format;
    }
  }
  return std::nullopt;
}

std::optional<ForeignFormat> text_format(std::span<const std::byte> first) noexcept {
  const auto head = first.first(std::min(first.size(), kForeignHead));
  if (head.empty() || !std::all_of(head.begin(), head.end(), is_text)) return std::nullopt;
  return other("a text file");
}

}  // namespace tcpeek::ring
