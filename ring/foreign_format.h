// Files given in place of a capture file, recognised by their first bytes: other compression formats,
// archives, captures in other formats, text. They are not read but named, with a command that converts
// them to something tcpeek reads.
//
// Thread contract: pure function. Sources: the formats' own specifications; file(1); wireshark's wiretap.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace tcpeek::ring {

struct ForeignFormat {
  const char* name;   // "an xz-compressed file"
  const char* reads;  // what tcpeek reads instead: "gzip and zstd"; empty: nothing similar
  // Followed by the file's name, writes what tcpeek reads to standard output; null: there is none.
  const char* command = nullptr;
  const char* after_name = "";           // what the command needs after the name
  const char* standard_input = nullptr;  // the name for standard input; null: it cannot read that
  bool sees_through = false;             // the command reads such a file compressed by gzip, too
};

// The most bytes that are examined.
inline constexpr std::size_t kForeignHead = 512;

// By its signature in the first bytes: 24 are enough for all but a tar archive, which needs 262.
[[nodiscard]] std::optional<ForeignFormat> foreign_format(
    std::span<const std::byte> first) noexcept;

// Whether they are all text.
[[nodiscard]] std::optional<ForeignFormat> text_format(std::span<const std::byte> first) noexcept;

}  // namespace tcpeek::ring
