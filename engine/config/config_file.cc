// The parser of configuration files (engine/config/config_file.h): one pass from left to right; the caret
// goes under the first character that does not fit.
#include "engine/config/config_file.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "engine/base/read_text.h"
#include "engine/base/text.h"

namespace tcpeek::engine {
namespace {

constexpr std::string_view kLineBlanks = " \t\r";
constexpr std::string_view kFilters = "filters";
// Of a long line this much is shown on either side of the caret.
constexpr std::size_t kShown = 60;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kLineBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kLineBlanks) - first + 1);
}

}  // namespace

std::string ConfigEntry::joined() const {
  std::string all;
  for (const ConfigText& value : values) all.append(all.empty() ? "" : ",").append(value.text);
  return all;
}

std::vector<ConfigText> ConfigEntry::items() const {
  if (!bare) return values;
  std::vector<ConfigText> pieces;
  const std::string_view whole = values.front().text;
  for (std::size_t from = 0; from <= whole.size();) {
    const std::size_t end = std::min(whole.find(',', from), whole.size());
    const std::string_view piece = trimmed(whole.substr(from, end - from));
    const std::size_t blanks = std::min(whole.find_first_not_of(kLineBlanks, from), end) - from;
    pieces.push_back({std::string(piece), values.front().at + from + blanks});
    from = end + 1;
  }
  return pieces;
}

std::size_t ConfigEntry::value_at(std::size_t offset) const noexcept {
  for (const ConfigText& value : values) {
    if (offset <= value.text.size()) return value.at + offset;
    offset -= value.text.size() + 1;
  }
  return values.empty() ? key.at : values.back().at + values.back().text.size();
}

class ConfigParser {
 public:
  explicit ConfigParser(ConfigFile& file) : file_(file), text_(file.text_) {}

  void run() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // a byte order mark
    if (const auto zero = text_.find('\0'); zero != std::string_view::npos) {
      file_.refuse(zero, "a zero byte: this is not a text file");
    }
    while (skip_to_text()) parse_line();
  }

 private:
  [[nodiscard]] bool ended() const noexcept { return at_ == text_.size(); }
  [[nodiscard]] bool at_line_end() const noexcept { return ended() || text_[at_] == '\n'; }
  [[nodiscard]] std::size_t line_end() const noexcept {
    return std::min(text_.find('\n', at_), text_.size());
  }

  void skip_blanks() noexcept {
    at_ = std::min(text_.find_first_not_of(kLineBlanks, at_), text_.size());
  }

  // Past blanks, empty lines and comments; false at the end of the file.
  bool skip_to_text() {
    for (;;) {
      skip_blanks();
      if (ended()) return false;
      if (text_[at_] == '#' || text_[at_] == ';') at_ = line_end();
      if (ended()) return false;
      if (text_[at_] != '\n') return true;
      ++at_;
    }
  }

  void expect_line_end(std::string_view after) {
    skip_blanks();
    if (at_line_end() || text_[at_] == '#') {
      at_ = line_end();
      return;
    }
    file_.refuse(at_, "nothing but a comment may follow " + std::string(after));
  }

  void parse_line() {
    if (text_[at_] == '[') return parse_section();
    ConfigEntry entry;
    entry.key = parse_key();
    skip_blanks();
    if (!at_line_end() && text_[at_] == '=') {
      ++at_;
      skip_blanks();
      parse_value(entry);
    } else {
      expect_line_end("a key but =");
    }
    add(std::move(entry));
  }

  void parse_section() {
    const std::size_t begin = at_;
    const std::string_view line = text_.substr(begin, line_end() - begin);
    const std::size_t end = line.find(']');
    if (end == std::string_view::npos) file_.refuse(begin, "']' is missing: [filters]");
    const std::string_view name = trimmed(line.substr(1, end - 1));
    if (name != kFilters) {
      file_.refuse(begin, in_quotes(line.substr(0, end + 1)) +
                              " is not a section: the only one is [filters]");
    }
    if (in_filters_) {
      file_.refuse(begin, "[filters] is given twice, first at " + file_.place(filters_at_));
    }
    in_filters_ = true;
    filters_at_ = begin;
    at_ = begin + end + 1;
    expect_line_end("a section");
  }

  ConfigText parse_key() {
    const std::size_t begin = at_;
    if (text_[at_] == '"' || text_[at_] == '\'') return parse_quoted();
    const std::size_t end = std::min(text_.find_first_of("=#\n", at_), text_.size());
    const std::string_view key = trimmed(text_.substr(at_, end - at_));
    if (key.empty()) file_.refuse(begin, "a key is missing before =");
    at_ += key.size();
    return {std::string(key), begin};
  }

  ConfigText parse_quoted() {
    const std::size_t begin = at_++;
    const char quote = text_[begin];
    const std::size_t end = text_.find(quote, at_);
    if (end > line_end())
      file_.refuse(begin, std::string("the closing ") + quote + " is missing on this line");
    ConfigText value{std::string(text_.substr(at_, end - at_)), at_};
    at_ = end + 1;
    return value;
  }

  // Up to one of `stops`, a comment or the end of the line.
  ConfigText parse_bare(std::string_view stops) {
    const std::size_t begin = at_;
    const std::size_t end = std::min(text_.find_first_of(stops, at_), text_.size());
    const std::string_view value = trimmed(text_.substr(begin, end - begin));
    if (const auto quote = value.find_first_of("\"'"); quote != std::string_view::npos) {
      file_.refuse(begin + quote, "a quote in the middle: quote all of it, or write [a, b]");
    }
    at_ = begin + value.size();
    return {std::string(value), begin};
  }

  void parse_value(ConfigEntry& entry) {
    if (at_line_end() || text_[at_] == '#') {
      file_.refuse(at_, "the value of " + in_quotes(entry.key.text) + " is missing after =");
    }
    if (text_[at_] == '[') return parse_list(entry);
    entry.bare = text_[at_] != '"' && text_[at_] != '\'';
    entry.values.push_back(entry.bare ? parse_bare("#\n") : parse_quoted());
    expect_line_end("a value");
  }

  void parse_list(ConfigEntry& entry) {
    const std::size_t begin = at_++;
    for (bool more = true; more;) {
      if (!skip_to_text()) file_.refuse(begin, "']' is missing: this list does not end");
      if (text_[at_] == ']') break;
      if (text_[at_] == ',') file_.refuse(at_, "an item is missing before the comma");
      const bool quoted = text_[at_] == '"' || text_[at_] == '\'';
      entry.values.push_back(quoted ? parse_quoted() : parse_bare(",]#\n"));
      if (!skip_to_text()) file_.refuse(begin, "']' is missing: this list does not end");
      more = text_[at_] == ',';
      if (more)
        ++at_;
      else if (text_[at_] != ']')
        file_.refuse(at_, "a comma or ']' is missing before this");
    }
    if (entry.values.empty()) file_.refuse(begin, "the list is empty: leave the key out");
    ++at_;
    expect_line_end("a list");
  }

  void add(ConfigEntry entry) {
    auto& seen = in_filters_ ? filter_keys_ : option_keys_;
    const auto [before, is_new] = seen.try_emplace(entry.key.text, entry.key.at);
    if (!is_new) {
      file_.refuse(entry.key.at, in_quotes(entry.key.text) + " is given twice, first at " +
                                     file_.place(before->second));
    }
    (in_filters_ ? file_.filters_ : file_.options_).push_back(std::move(entry));
  }

  ConfigFile& file_;
  std::string_view text_;
  std::size_t at_ = 0;
  bool in_filters_ = false;
  std::size_t filters_at_ = 0;
  std::map<std::string, std::size_t> option_keys_;
  std::map<std::string, std::size_t> filter_keys_;
};

ConfigFile::ConfigFile(std::string path, std::string text)
    : path_(std::move(path)), text_(std::move(text)) {
  ConfigParser(*this).run();
}

std::string ConfigFile::place(std::size_t at) const {
  const auto before = text_.begin() + static_cast<std::ptrdiff_t>(std::min(at, text_.size()));
  return printable(path_) + ':' + std::to_string(1 + std::count(text_.begin(), before, '\n'));
}

void ConfigFile::refuse(std::size_t at, std::string_view reason) const {
  at = std::min(at, text_.size());
  const std::size_t before = at == 0 ? std::string::npos : text_.rfind('\n', at - 1);
  std::size_t begin = before == std::string::npos ? 0 : before + 1;
  std::size_t end = std::min(text_.find('\n', at), text_.size());
  if (end > begin && text_[end - 1] == '\r' && at < end) --end;
  const bool cut_left = at - begin > kShown;
  const bool cut_right = end - at > kShown;
  if (cut_left) begin = at - kShown;
  if (cut_right) end = at + kShown;
  const std::string_view shown = std::string_view(text_).substr(begin, end - begin);
  const std::string lead = cut_left ? "  ..." : "  ";
  std::string message = place(at) + ": ";
  message.append(reason).append("\n").append(lead).append(printable(shown));
  message.append(cut_right ? "...\n" : "\n");
  message.append(lead.size() + printed_width(shown.substr(0, at - begin)), ' ');
  throw UsageError(message + '^');
}

std::string read_config_text(const std::string& path) {
  const std::string what = "--config: cannot read " + in_quotes(path) + ": ";
  try {
    return read_text(path, kMaxConfigBytes);
  } catch (const std::system_error& error) {
    throw UsageError(what + error.code().message());
  } catch (const std::length_error&) {
    throw UsageError(what + "it has more than " + std::to_string(kMaxConfigBytes >> 20) +
                     " MiB; is this the right file?");
  }
}

}  // namespace tcpeek::engine
