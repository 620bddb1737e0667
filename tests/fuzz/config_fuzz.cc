// A configuration file: either every key and value is found in the text at the place that goes with it, and
// the options are those of the same command line; or a UsageError shows a line of it with a caret.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/text.h"
#include "engine/config/config_file.h"
#include "engine/config/options.h"
#include "tests/fuzz/lines.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMostShown =
    3 + 120 + 3;  // characters of a line, and what stands for the rest

void expect_readable(std::string_view message) {
  const std::vector<std::string> lines = fuzz::split(message, '\n');
  if (lines.size() != 3) {
    EXPECT_EQ(lines.size(), 1U) << message;  // about two options that do not go together
    return;
  }
  for (const std::string& line : lines) EXPECT_EQ(printable(line), line);
  EXPECT_TRUE(lines[0].starts_with("f:") || lines[0].starts_with("filter expression: ")) << message;
  const std::size_t caret = lines[2].size() - 1;
  EXPECT_EQ(lines[2], std::string(caret, ' ') + "^");
  EXPECT_LE(caret, lines[1].size());
  if (lines[0].starts_with("f:")) EXPECT_LE(printed_width(lines[1]), 2 + 4 * kMostShown);
}

void expect_there(std::string_view text, const ConfigText& piece) {
  EXPECT_EQ(text.substr(piece.at, piece.text.size()), piece.text);
}

void expect_places(std::string_view text) {
  const ConfigFile file("f", std::string(text));
  for (const auto entries : {file.options(), file.filters()}) {
    for (const ConfigEntry& entry : entries) {
      expect_there(text, entry.key);
      for (const ConfigText& value : entry.values) expect_there(text, value);
      for (const ConfigText& item : entry.items()) expect_there(text, item);
      const std::string joined = entry.joined();
      for (std::size_t i = 0; i < joined.size(); ++i) {
        const std::size_t at = entry.value_at(i);
        EXPECT_TRUE(joined[i] == ',' || text[at] == joined[i]);
      }
    }
  }
}

std::vector<std::string> filters_of(const Options& options) {
  std::vector<std::string> texts;
  for (const FilterExpression& filter : options.filters) texts.push_back(filter.text);
  return texts;
}

void run(std::string_view text) {
  try {
    expect_places(text);
    const std::vector<const char*> arguments{"--config=f"};
    const CommandLine line = parse_command_line(
        arguments, [&](const std::string& /*path*/) { return std::string(text); });
    EXPECT_FALSE(line.print_and_exit);
    EXPECT_LE(filters_of(line.options).size(), kMaxFilters);
    for (const std::string& warning : line.options.warnings) EXPECT_EQ(printable(warning), warning);
  } catch (const UsageError& error) {
    expect_readable(error.what());
  }
}

}  // namespace
}  // namespace tcpeek::engine

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tcpeek::engine::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
