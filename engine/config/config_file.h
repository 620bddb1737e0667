// A configuration file: text in, keys and values with their places out, or an error that shows the line
// with a caret under the offending character. What the keys mean is decided in options.cc.
//
// The format is the one CLI11 reads (TOML in the main), without what CLI11 would skip in silence:
//
//   # a comment; a line may also begin with ;
//   timeout = 30                    a bare value ends with the line, or at #
//   bpf = "not port 22"             'or so'; there are no escapes, and no text has both quotes in it
//   interface = [eth0, "eth1"]      also over several lines; for a repeatable option also eth0, eth1
//   icmp = true                     or just: icmp
//   [filters]                       the one section: from here on names, and what they count
//   web = "RX@%:80:443"
//   exclude = ["RX@%:22", "TX@%:22"]
//
// Thread contract: plain values. Bounds: kMaxConfigBytes.
// Errors: UsageError for whatever is wrong with the file.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/usage_error.h"

namespace tcpeek::engine {

inline constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;

// A piece of the file's text, and where it begins there.
struct ConfigText {
  std::string text;
  std::size_t at = 0;
};

struct ConfigEntry {
  ConfigText key;
  std::vector<ConfigText> values;  // several are a list; none: the key alone
  bool bare = false;               // one value without quotes or brackets

  // As one text: a list's items with commas between them.
  [[nodiscard]] std::string joined() const;
  // As a list: a bare value is cut at its commas.
  [[nodiscard]] std::vector<ConfigText> items() const;
  // Where byte `offset` of joined() is; the key if there is no value.
  [[nodiscard]] std::size_t value_at(std::size_t offset = 0) const noexcept;
};

class ConfigFile {
 public:
  // `path` is for messages.
  ConfigFile(std::string path, std::string text);

  // What is above the section, and in it. No key is in the same part twice.
  [[nodiscard]] std::span<const ConfigEntry> options() const noexcept { return options_; }
  [[nodiscard]] std::span<const ConfigEntry> filters() const noexcept { return filters_; }

  // PATH:LINE: reason, and the line with a caret under the character that `at` counts to.
  [[noreturn]] void refuse(std::size_t at, std::string_view reason) const;
  // "PATH:LINE"
  [[nodiscard]] std::string place(std::size_t at) const;

 private:
  friend class ConfigParser;

  std::string path_;
  std::string text_;
  std::vector<ConfigEntry> options_;
  std::vector<ConfigEntry> filters_;
};

// The text of a file, which may be a pipe.
[[nodiscard]] std::string read_config_text(const std::string& path);

}  // namespace tcpeek::engine
