// Reading the command line (engine/config/options.h). CLI11 splits it into options and their values;
// engine/config/option_table.cc says what each option takes, and every message is worded here or there. The
// program reads no configuration file and no environment variable.
#include "engine/config/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/base/text.h"
#include "engine/config/help_text.h"
#include "engine/config/option_table.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMaxTypingErrors = 2;

using Values = std::vector<std::string>;

// Insertions, deletions and replacements between two words.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// The grammar of the command line, and what one command line holds.
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
  [[nodiscard]] bool given(const std::string& name) const {
    return app_.get_option(name)->count() > 0;
  }

 private:
  void check_attached_values(const Values& arguments) const;
  [[noreturn]] void refuse_missing_value(std::string_view argument) const;
  [[noreturn]] void refuse_unknown(const std::string& argument) const;
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
  std::string hint;
  std::size_t least = kMaxTypingErrors;
  for (const CLI::Option* option : app_.get_options()) {
    const std::size_t distance = edit_distance(name, option->get_name());
    if (!name.starts_with("--") || distance > least) continue;
    least = distance;
    hint = ", perhaps " + option->get_name() + " is meant";
  }
  throw UsageError(in_quotes(name) + " is not an option" + hint + "; --help lists them all");
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
      const bool is_option = app_.get_option_no_throw(value) != nullptr && value.starts_with('-');
      if (is_option) {
        throw UsageError(name + ": its value is missing before " + value + ": " + known.allowed);
      }
      if (known.apply(options, value)) continue;
      throw UsageError(name + ": " + in_quotes(value) + " is not " + known.allowed);
    }
  }
}

// What concerns live capture or its socket only.
void refuse_live_options(const Grammar& grammar) {
  constexpr std::array kLiveOnly{"--interface", "--socket",  "--buffer",
                                 "--promisc",   "--capture", "--cpus"};
  for (const char* name : kLiveOnly) {
    if (!grammar.given(name)) continue;
    throw UsageError(std::string(name) + ": is for live capture and does not go with --read");
  }
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
  if (!options.read_files.empty()) refuse_live_options(grammar);
  try {
    options.filters = parse_filters(expressions);
  } catch (const FilterError& error) {
    throw UsageError(std::string("filter expression: ").append(error.what()));
  }
  for (const FilterExpression& filter : options.filters) {
    options.warnings.insert(options.warnings.end(), filter.warnings.begin(), filter.warnings.end());
  }
  return line;
}

}  // namespace tcpeek::engine
