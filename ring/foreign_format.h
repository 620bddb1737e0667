// Files that are given in place of a capture file, known by their first bytes: compressed otherwise,
// archives, captures in other formats, text. They are not read, but named, with the command that turns
// one into something that is.
//
// Thread contract: pure function. Sources: the formats' own specifications; file(1); wireshark's wiretap.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace tcpeek::ring {

struct ForeignFormat {
  const char* name;   // "an xz-compressed file"
  const char* reads;  // what tcpeek reads instead: "gzip and zstd"; empty: nothing of the kind
  // With the file's name behind it, writes what tcpeek reads to standard output; null: there is none.
  const char* command = nullptr;
  const char* after_name = "";           // what the command needs behind the name
  const char* standard_input = nullptr;  // the name for standard input; null: it cannot read that
  bool sees_through = false;             // the command reads such a file compressed by gzip, too
};

// The most that is looked at.
inline constexpr std::size_t kForeignHead = 512;

// By its mark in the first bytes: 24 show all but a tar archive, which needs 262.
[[nodiscard]] std::optional<ForeignFormat> foreign_format(
    std::span<const std::byte> first) noexcept;

// Whether there is nothing but text in them.
[[nodiscard]] std::optional<ForeignFormat> text_format(std::span<const std::byte> first) noexcept;

}  // namespace tcpeek::ring
