// Configuration files by themselves: what they hold, and how each mistake is shown.
#include "engine/config/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Shown = std::vector<std::pair<std::string, std::vector<std::string>>>;

Shown shown(std::span<const ConfigEntry> entries) {
  Shown all;
  for (const ConfigEntry& entry : entries) {
    all.emplace_back(entry.key.text, std::vector<std::string>());
    for (const ConfigText& value : entry.values) all.back().second.push_back(value.text);
  }
  return all;
}

Shown options_of(const std::string& text) {
  return shown(ConfigFile("f", text).options());
}

std::string mistake_in(const std::string& text) {
  try {
    static_cast<void>(ConfigFile("f", text));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ConfigFileTest, KeysAndValuesInTheirOrder) {
  const ConfigFile file("f",
                        "\xef\xbb\xbf# a comment\n"
                        "; another\r\n"
                        "  timeout=30 # seconds\r\n"
                        "bpf = \"not port 22 # ssh\"\n"
                        "\"local\" = '[::1]'\n"
                        "quiet\n"
                        "\n"
                        "interface = [ eth0, \"eth,1\",  # two\n"
                        "  'et\"h2', ]\n"
                        "\t[ filters ] # from here on\n"
                        "web.site = RX@%:80,10.0.0.0/8:443\n"
                        "timeout = \"TX@%:1\"");
  EXPECT_EQ(shown(file.options()), (Shown{{"timeout", {"30"}},
                                          {"bpf", {"not port 22 # ssh"}},
                                          {"local", {"[::1]"}},
                                          {"quiet", {}},
                                          {"interface", {"eth0", "eth,1", "et\"h2"}}}));
  EXPECT_EQ(shown(file.filters()),
            (Shown{{"web.site", {"RX@%:80,10.0.0.0/8:443"}}, {"timeout", {"TX@%:1"}}}));
}

TEST(ConfigFileTest, AnEmptyOneSaysNothing) {
  for (const char* text : {"", "\n", "#", "\xef\xbb\xbf", " \t\r\n;\n", "[filters]"}) {
    EXPECT_THAT(options_of(text), IsEmpty()) << text;
  }
}

TEST(ConfigFileTest, ABareValueIsAlsoAList) {
  const std::string text = "interface = eth0 ,  eth1,eth2";
  const ConfigFile file("f", text);
  std::vector<std::string> items;
  for (const ConfigText& item : file.options()[0].items()) {
    items.push_back(item.text);
    EXPECT_EQ(text.substr(item.at, item.text.size()), item.text);
  }
  EXPECT_THAT(items, ElementsAre("eth0", "eth1", "eth2"));
  EXPECT_EQ(ConfigFile("f", "a = \"b,c\"").options()[0].items().size(), 1U);
}

TEST(ConfigFileTest, PlacesCountThroughLists) {
  const std::string text = "a = [ \"bc\",\n 'd' ]";
  const ConfigFile file("f", text);
  const ConfigEntry& entry = file.options()[0];
  ASSERT_EQ(entry.joined(), "bc,d");
  EXPECT_EQ(entry.value_at(), text.find('b'));
  EXPECT_EQ(entry.value_at(1), text.find('c'));
  EXPECT_EQ(entry.value_at(3), text.find('d'));
  EXPECT_EQ(entry.value_at(99), text.find('d') + 1);
}

TEST(ConfigFileTest, MistakesAreShownWithTheirLine) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"a = 1\n= 2", "f:2: a key is missing before =\n  = 2\n  ^"},
      {"a =", "f:1: the value of 'a' is missing after =\n  a =\n     ^"},
      {"a = # b", "f:1: the value of 'a' is missing after =\n  a = # b\n      ^"},
      {"a = \"b\nc = \"d\"", "f:1: the closing \" is missing on this line\n  a = \"b\n      ^"},
      {"a = 'b' c", "f:1: nothing but a comment may follow a value\n  a = 'b' c\n          ^"},
      {"\"a\" b", "f:1: nothing but a comment may follow a key but =\n  \"a\" b\n      ^"},
      {"a = [", "f:1: ']' is missing: this list does not end\n  a = [\n      ^"},
      {"a = [b,\nc = d", "f:1: ']' is missing: this list does not end\n  a = [b,\n      ^"},
      {"a = []", "f:1: the list is empty: leave the key out\n  a = []\n      ^"},
      {"a = [b,,c]", "f:1: an item is missing before the comma\n  a = [b,,c]\n         ^"},
      {"a = ['b' 'c']",
       "f:1: a comma or ']' is missing before this\n  a = ['b' 'c']\n           ^"},
      {"a = [b] c", "f:1: nothing but a comment may follow a list\n  a = [b] c\n          ^"},
      {"a = b, \"c\"",
       "f:1: a quote in the middle: quote all of it, or write [a, b]\n  a = b, \"c\"\n         ^"},
      {"[filters", "f:1: ']' is missing: [filters]\n  [filters\n  ^"},
      {" [x]", "f:1: '[x]' is not a section: the only one is [filters]\n   [x]\n   ^"},
      {"[filters] x",
       "f:1: nothing but a comment may follow a section\n  [filters] x\n            ^"},
      {"[filters]\n[filters]", "f:2: [filters] is given twice, first at f:1\n  [filters]\n  ^"},
      {"a\nb\na = 1", "f:3: 'a' is given twice, first at f:1\n  a = 1\n  ^"},
      {std::string("a\nb\0c", 5), "f:2: a zero byte: this is not a text file\n  b\\x00c\n   ^"},
      {"\xff\x1b = [",
       "f:1: ']' is missing: this list does not end\n  \\xff\\x1b = [\n             ^"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(mistake_in(text), message);
}

TEST(ConfigFileTest, OfALongLineThePlaceIsShown) {
  const std::string text = "a = '" + std::string(5000, 'x') + "' y" + std::string(5000, 'z');
  EXPECT_EQ(mistake_in(text), "f:1: nothing but a comment may follow a value\n  ..." +
                                  std::string(58, 'x') + "' y" + std::string(59, 'z') + "...\n" +
                                  std::string(65, ' ') + '^');
}

TEST(ConfigFileTest, FilesThatCannotBeRead) {
  const auto message = [](const std::string& path) {
    try {
      static_cast<void>(read_config_text(path));
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string("read");
  };
  EXPECT_EQ(message("/"), "--config: cannot read '/': Is a directory");
  EXPECT_EQ(message("/none\n"), "--config: cannot read '/none\\x0a': No such file or directory");
  EXPECT_EQ(message("/dev/zero"),
            "--config: cannot read '/dev/zero': it has more than 1 MiB; is this the right file?");
  EXPECT_EQ(read_config_text("/dev/null"), "");
}

// --- What CLI11 reads ---

// Its own reader, on the same text: key, section, values. It leaves blanks before a comma, and
// takes those behind a quote for an item.
Shown by_cli11(const std::string& text, bool filters) {
  std::istringstream in(text);
  Shown all;
  for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_config(in)) {
    const bool mark = item.name == "++" || item.name == "--";
    if (mark || item.parents.empty() == filters) continue;
    all.emplace_back(item.name, item.inputs);
    for (std::string& value : all.back().second) CLI::detail::rtrim(value);
  }
  return all;
}

// As CLI11 has them: a key alone is true, a bare value is cut at commas.
Shown as_cli11(std::span<const ConfigEntry> entries) {
  Shown all = shown(entries);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].second.empty()) all[i].second = {"true"};
    if (!entries[i].bare) continue;
    all[i].second.clear();
    for (const ConfigText& item : entries[i].items()) all[i].second.push_back(item.text);
  }
  return all;
}

TEST(ConfigFileTest, CLI11ReadsTheSame) {
  tcpeek::test::for_each_seed(500, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const std::vector<std::string> blanks{"", " ", "  "};
    const std::vector<std::string> words{"eth0", "0-3", "RX@%:80", "[::1]", "10.0.0.0/8", "x=y"};
    const auto any = [&](const auto& from) { return from[random() % from.size()]; };
    const auto quoted = [&] {
      const char quote = random() % 2 == 0 ? '"' : '\'';
      return quote + any(words) + any(blanks) + any(words) + quote;
    };
    std::string text;
    bool filters = false;
    for (int line = 0; line < 12; ++line) {
      const std::string key = any(blanks) + "key" + std::to_string(line) + any(blanks);
      switch (random() % 7) {
        case 0:
          text += key + "\n";
          break;
        case 1:
          text += key + "= " + std::to_string(random() % 4000) + any(blanks) + "\n";
          break;
        case 2:
          text += key + "=" + quoted() + any(blanks) + "# a comment\n";
          break;
        case 3:
          text += key + "= eth0" + any(blanks) + "," + any(blanks) + "eth1\n";
          break;
        case 4:
          text += key + "= [" + any(blanks) + quoted() + "," + any(blanks) + "eth1]\n";
          break;
        case 5:
          text += "# a comment\n\n";
          break;
        default:
          if (!std::exchange(filters, true)) text += "[filters]\n";
      }
    }
    SCOPED_TRACE(text);
    const ConfigFile file("f", text);
    EXPECT_EQ(as_cli11(file.options()), by_cli11(text, false));
    EXPECT_EQ(as_cli11(file.filters()), by_cli11(text, true));
  });
}

TEST(ConfigFileTest, CLI11ReadsTheExampleAlike) {
  const std::string text = read_config_text(TCPEEK_EXAMPLE_CONFIG);
  const ConfigFile file("tcpeek.conf", text);
  EXPECT_EQ(as_cli11(file.options()), by_cli11(text, false));
  EXPECT_EQ(as_cli11(file.filters()), by_cli11(text, true));
  EXPECT_EQ(file.filters().size(), 3U);
}

}  // namespace
}  // namespace tcpeek::engine
