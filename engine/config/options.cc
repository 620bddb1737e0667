// Reading the command line (engine/config/options.h). CLI11 splits it into options and their values;
// engine/config/option_table.cc says which values each option takes; all messages are worded in these two
// files. No configuration file and no environment variable is read.
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
#include "engine/config/option_table.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMaxSuggestions = 4;
constexpr std::size_t kShortestAbbreviation = 4;  // "--" and two letters

using Values = std::vector<std::string>;

std::string lower_case(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

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
    for (const auto& option : flag_options()) flags_.push_back(app_.add_flag(option.names));
    for (const auto& option : value_options()) {
      values_.push_back(app_.add_option(option.names)->take_all());
    }
  }

  void parse(std::span<const char* const> arguments);
  [[nodiscard]] bool wants_help() const { return help_->count() > 0; }
  [[nodiscard]] bool wants_version() const { return version_->count() > 0; }
  // The positional arguments. Throws for an option that does not exist.
  [[nodiscard]] Values expressions() const;
  void apply_to(Options& options) const;
  // Not by get_option(), which allocates under noexcept.
  [[nodiscard]] bool given(const std::string& name) const {
    return std::ranges::any_of(app_.get_options(), [&](const CLI::Option* option) {
      return option->check_name(name) && option->count() > 0;
    });
  }

 private:
  void check_attached_values(const Values& arguments) const;
  [[noreturn]] void refuse_missing_value(std::string_view argument) const;
  [[noreturn]] void refuse_unknown(const std::string& argument) const;
  [[nodiscard]] Values near_misses(std::string_view name) const;
  [[nodiscard]] const ValueOption* value_option(const CLI::Option* option) const;

  CLI::App app_;
  CLI::Option* help_ = nullptr;
  CLI::Option* version_ = nullptr;
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
    if (value_option(option) == nullptr) {
      throw UsageError(option->get_name() + ": takes no value, but " +
                       in_quotes(argument.substr(equals + 1)) + " is given");
    }
    if (equals + 1 == argument.size()) refuse_missing_value(option->get_name());
  }
}

void Grammar::refuse_missing_value(std::string_view argument) const {
  const bool is_long = argument.starts_with("--");
  const std::string name = is_long ? std::string(argument) : std::string{'-', argument.back()};
  const CLI::Option* const option = app_.get_option_no_throw(name);
  const ValueOption* const known = value_option(option);
  if (known == nullptr) throw UsageError(in_quotes(argument) + ": its value is missing");
  throw UsageError(option->get_name() + ": its value is missing: " + known->allowed);
}

void Grammar::refuse_unknown(const std::string& argument) const {
  const std::string name = argument.substr(0, argument.find('='));
  const Values meant = near_misses(lower_case(name));
  if (meant.empty()) {
    throw UsageError(in_quotes(name) + " is not an option; --help lists them all");
  }
  std::string choice = meant.front();
  for (std::size_t i = 1; i < meant.size(); ++i) {
    choice.append(i + 1 < meant.size() ? ", " : " or ").append(meant[i]);
  }
  throw UsageError(in_quotes(name) + " is not an option: did you mean " + choice + "?");
}

// Options that `name` may stand for, likeliest first: those it abbreviates, then those it misspells.
Values Grammar::near_misses(std::string_view name) const {
  if (!name.starts_with("--")) return {};
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const CLI::Option* option : app_.get_options()) {
    const std::string known = option->get_name();
    const std::size_t typing_errors = edit_distance(name, known);
    const bool abbreviated = name.size() >= kShortestAbbreviation && known.starts_with(name);
    if (!abbreviated && typing_errors > kMostTypingErrors) continue;
    ranked.emplace_back(abbreviated ? 0 : typing_errors, known);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Values names;
  for (auto& [rank, known] : ranked) {
    // A slip of one letter rules out one of two; several are named only if they are as likely.
    if (rank != ranked.front().first || names.size() == kMaxSuggestions) break;
    names.push_back(std::move(known));
  }
  return names;
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

void Grammar::apply_to(Options& options) const {
  for (std::size_t i = 0; i < flag_options().size(); ++i) {
    options.*flag_options()[i].flag = flags_[i]->count() > 0;
  }
  for (std::size_t i = 0; i < value_options().size(); ++i) {
    const ValueOption& known = value_options()[i];
    const std::string name = values_[i]->get_name();
    const Values& given = values_[i]->results();
    if (!known.repeatable && given.size() > 1) {
      throw UsageError(name + ": given more than once (" + in_quotes(given[0]) + ", then " +
                       in_quotes(given[1]) + "); give it once");
    }
    for (const std::string& value : given) {
      const bool is_option = value.starts_with('-') &&
                             app_.get_option_no_throw(value.substr(0, value.find('='))) != nullptr;
      if (is_option) {
        throw UsageError(name + ": its value is missing before " + printable(value) + ": " +
                         known.allowed);
      }
      if (known.apply(options, value)) continue;
      throw UsageError(name + ": " + in_quotes(value) + " is not " + known.allowed);
    }
  }
}

bool is_filter(const std::string& word) {
  try {
    static_cast<void>(parse_filter(word));
    return true;
  } catch (const FilterError&) {
    return false;
  }
}

void refuse_contradictions(const Grammar& grammar) {
  if (grammar.given("--no-socket") && grammar.given("--socket")) {
    throw UsageError("--no-socket: contradicts --socket; give one of them");
  }
  if (!grammar.given("--read")) {
    if (!grammar.given("--explain")) return;
    throw UsageError(
        "--explain: is for capture files and needs --read; a tcpeek that runs is asked by the word "
        "EXPLAIN on its socket");
  }
  constexpr std::array kLiveOnly{"--interface",
                                 "--socket",
                                 "--no-socket",
                                 "--buffer",
                                 "--promisc",
                                 "--capture",
                                 "--cpus",
                                 "--failing-ratio",
                                 "--degraded-ratio",
                                 "--failing-run",
                                 "--alert-min-attempts",
                                 "--metrics-listen",
                                 "--metrics-services",
                                 "--metrics-services-tx",
                                 "--metrics-exemplars"};
  for (const char* name : kLiveOnly) {
    if (!grammar.given(name)) continue;
    throw UsageError(std::string(name) + ": is for live capture and does not go with --read");
  }
}

void refuse_crossed_limits(const HealthLimits& limits) {
  if (limits.degraded_percent <= limits.failing_percent) return;
  throw UsageError("--degraded-ratio: " + std::to_string(limits.degraded_percent) +
                   " is more than --failing-ratio (" + std::to_string(limits.failing_percent) +
                   "); give at most as much");
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

CommandLine parse_command_line(std::span<const char* const> arguments) {
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
  const Values expressions = grammar.expressions();
  grammar.apply_to(options);
  refuse_contradictions(grammar);
  refuse_crossed_limits(options.health);
  try {
    options.filters = parse_filters(expressions);
  } catch (const FilterError& error) {
    refuse_expression(expressions, error);
  }
  for (const FilterExpression& filter : options.filters) {
    options.warnings.insert(options.warnings.end(), filter.warnings.begin(), filter.warnings.end());
  }
  return line;
}

}  // namespace tcpeek::engine
