// Reading the command line (engine/config/options.h). CLI11 splits it into options and their values;
// engine/config/option_table.cc says which values each option takes; engine/config/settings.cc adds what a
// configuration file says. No environment variable is read.
#include "engine/config/options.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/base/near_word.h"
#include "engine/base/text.h"
#include "engine/config/help_text.h"
#include "engine/config/near_miss.h"
#include "engine/config/option_table.h"
#include "engine/config/settings.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kShortestAbbreviation = 4;  // "--" and two letters

using Values = std::vector<std::string>;

// a.pcap, a.pcapng.gz, or any file that exists.
bool names_capture_file(const std::string& word) {
  constexpr std::array kCompressed{".gz", ".zst", ".xz", ".bz2", ".lz4"};
  constexpr std::array kFormats{".pcap", ".pcapng", ".cap", ".dmp", ".ntar"};
  std::string_view name = word;
  for (const std::string_view ending : kCompressed) {
    if (name.ends_with(ending)) name.remove_suffix(ending.size());
  }
  const auto ends_so = [&](std::string_view ending) { return name.ends_with(ending); };
  if (std::any_of(kFormats.begin(), kFormats.end(), ends_so)) return true;
  struct stat status {};
  return ::stat(word.c_str(), &status) == 0 &&
         (S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode));
}

// As it can be typed into a shell; quoted only where that must be.
std::string as_argument(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:+,@%=";
  return word.find_first_not_of(kPlain) == std::string::npos ? word : in_quotes(word);
}

// The grammar of the command line, and one command line parsed by it.
class Grammar {
 public:
  Grammar() {
    app_.set_help_flag();  // ours is a plain flag: CLI11's stops at the first --help
    app_.allow_extras();   // filter expressions, and unknown options to be named
    help_ = app_.add_flag("-h,--help");
    version_ = app_.add_flag("-v,--version");
    config_ = app_.add_option("--config")->take_all();
    reload_ = app_.add_flag("--reload");
    for (const auto& option : flag_options()) flags_.push_back(app_.add_flag(option.names));
    for (const auto& option : value_options()) {
      values_.push_back(app_.add_option(option.names)->take_all());
    }
  }

  void parse(std::span<const char* const> arguments);
  [[nodiscard]] bool wants_help() const { return help_->count() > 0; }
  [[nodiscard]] bool wants_version() const { return version_->count() > 0; }
  [[nodiscard]] bool wants_reload() const { return reload_->count() > 0; }
  [[nodiscard]] std::optional<std::string> config() const;
  // The positional arguments. Throws for an option that does not exist.
  [[nodiscard]] Values expressions() const;
  [[nodiscard]] Settings settings() const;

 private:
  void check_attached_values(const Values& arguments) const;
  [[noreturn]] void refuse_missing_value(std::string_view argument) const;
  [[noreturn]] void refuse_unknown(const std::string& argument) const;
  [[nodiscard]] const ValueOption* value_option(const CLI::Option* option) const;
  void refuse_option_as_value(const CLI::Option& option, const std::string& value,
                              std::string_view allowed) const;

  CLI::App app_;
  CLI::Option* help_ = nullptr;
  CLI::Option* version_ = nullptr;
  CLI::Option* config_ = nullptr;
  CLI::Option* reload_ = nullptr;
  std::vector<CLI::Option*> flags_;   // as flag_options()
  std::vector<CLI::Option*> values_;  // as value_options()
};

void Grammar::parse(std::span<const char* const> arguments) {
  Values reversed(arguments.begin(), arguments.end());
  check_attached_values(reversed);
  const std::string last = reversed.empty() ? std::string() : reversed.back();
  std::reverse(reversed.begin(), reversed.end());  // as CLI11 takes them
  try {
    app_.parse(std::move(reversed));
  } catch (const CLI::ArgumentMismatch&) {
    refuse_missing_value(last);  // only the last argument can lack what follows it
  } catch (const CLI::Error& error) {
    throw UsageError(std::string("command line: ").append(printable(error.what())));
  }
}

// CLI11 would take the next argument for the value of "--timeout=", and a value for a flag.
void Grammar::check_attached_values(const Values& arguments) const {
  for (const std::string& argument : arguments) {
    if (argument == "--") return;
    const std::size_t equals = argument.find('=');
    if (!argument.starts_with("--") || equals == std::string::npos) continue;
    const CLI::Option* const option = app_.get_option_no_throw(argument.substr(0, equals));
    if (option == nullptr) continue;
    if (value_option(option) == nullptr && option != config_) {
      throw UsageError(option->get_name() + ": takes no value, but " +
                       in_quotes(argument.substr(equals + 1)) + " was given");
    }
    if (equals + 1 == argument.size()) refuse_missing_value(option->get_name());
  }
}

void Grammar::refuse_missing_value(std::string_view argument) const {
  const bool is_long = argument.starts_with("--");
  const std::string name = is_long ? std::string(argument) : std::string{'-', argument.back()};
  const CLI::Option* const option = app_.get_option_no_throw(name);
  const ValueOption* const known = value_option(option);
  if (option == config_) throw UsageError("--config needs a value: the path of a file");
  if (known == nullptr) throw UsageError(in_quotes(argument) + " needs a value");
  throw UsageError(option->get_name() + " needs a value: " + known->allowed);
}

void Grammar::refuse_unknown(const std::string& argument) const {
  const std::string name = argument.substr(0, argument.find('='));
  Values known;
  for (const CLI::Option* option : app_.get_options()) known.push_back(option->get_name());
  const Values meant =
      name.starts_with("--") ? near_misses(name, known, kShortestAbbreviation) : Values();
  if (meant.empty()) {
    throw UsageError(in_quotes(name) + " is not an option; --help lists them all");
  }
  throw UsageError(in_quotes(name) + " is not an option: " + did_you_mean(meant));
}

const ValueOption* Grammar::value_option(const CLI::Option* option) const {
  const auto place = std::find(values_.begin(), values_.end(), option);
  if (place == values_.end()) return nullptr;
  return &value_options()[static_cast<std::size_t>(place - values_.begin())];
}

Values Grammar::expressions() const {
  Values expressions;
  bool options_may_follow = true;
  for (const std::string& argument : app_.remaining()) {
    if (options_may_follow && argument == "--") {
      options_may_follow = false;
      continue;
    }
    if (options_may_follow && argument.starts_with('-')) refuse_unknown(argument);
    expressions.push_back(argument);
  }
  return expressions;
}

std::optional<std::string> Grammar::config() const {
  const Values& given = config_->results();
  if (given.empty()) return std::nullopt;
  if (given.size() > 1) {
    throw UsageError("--config: given more than once (" + in_quotes(given[0]) + ", then " +
                     in_quotes(given[1]) + "); give it once");
  }
  refuse_option_as_value(*config_, given[0], "the path of a file");
  return given[0];
}

void Grammar::refuse_option_as_value(const CLI::Option& option, const std::string& value,
                                     std::string_view allowed) const {
  const bool is_option = value.starts_with('-') &&
                         app_.get_option_no_throw(value.substr(0, value.find('='))) != nullptr;
  if (!is_option) return;
  throw UsageError(option.get_name() + " needs a value before " + printable(value) + ": " +
                   std::string(allowed));
}

Settings Grammar::settings() const {
  Settings settings;
  for (std::size_t i = 0; i < flags_.size(); ++i) {
    if (flags_[i]->count() > 0) settings.give({.flag = &flag_options()[i], .values = {}});
  }
  for (std::size_t i = 0; i < values_.size(); ++i) {
    Setting setting{.value = &value_options()[i], .values = {}};
    for (const std::string& value : values_[i]->results()) {
      refuse_option_as_value(*values_[i], value, setting.value->allowed);
      setting.values.push_back({value, 0});
    }
    if (!setting.values.empty()) settings.give(std::move(setting));
  }
  for (std::string& expression : expressions()) settings.give_filter(std::move(expression));
  return settings;
}

bool is_filter(const std::string& word) {
  try {
    static_cast<void>(parse_filter(word));
    return true;
  } catch (const FilterError&) {
    return false;
  }
}

void refuse_reload(const Settings& settings) {
  for (const std::string_view other : {"--read", "--no-socket"}) {
    if (settings.find(other) == nullptr) continue;
    throw UsageError("--reload: needs the socket of a running tcpeek, cannot be combined with " +
                     std::string(other));
  }
}

[[noreturn]] void refuse_expression(const Values& expressions, const FilterError& error) {
  for (const std::string& word : expressions) {
    if (is_filter(word) || !names_capture_file(word)) continue;
    throw UsageError(in_quotes(word) + " is not a filter expression: did you mean -r " +
                     as_argument(word) + "?");
  }
  throw UsageError(std::string("filter expression: ").append(error.what()));
}

}  // namespace

CommandLine parse_command_line(std::span<const char* const> arguments, const ReadConfig& read) {
  Grammar grammar;
  grammar.parse(arguments);
  CommandLine line;
  if (grammar.wants_help()) {
    line.print_and_exit = kHelpText;
    return line;
  }
  if (grammar.wants_version()) {
    line.print_and_exit = "tcpeek " TCPEEK_VERSION "\n";
    return line;
  }
  Options& options = line.options;
  Settings settings = grammar.settings();
  if (const auto config = grammar.config()) settings.add(ConfigFile(*config, read(*config)));
  line.reload = grammar.wants_reload();
  if (line.reload) refuse_reload(settings);
  try {
    settings.apply_to(options);
  } catch (const FilterError& error) {
    refuse_expression(settings.expressions(), error);
  }
  for (const FilterExpression& filter : options.filters) {
    options.warnings.insert(options.warnings.end(), filter.warnings.begin(), filter.warnings.end());
  }
  options.own_words = settings.own_options();
  line.arguments = settings.arguments();
  return line;
}

}  // namespace tcpeek::engine
