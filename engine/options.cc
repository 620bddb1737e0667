// Reading the command line (engine/options.h). CLI11 splits it into options and their values; the
// table below says what each option takes, and every message is worded here. The program reads no
// configuration file and no environment variable.
#include "engine/options.h"

#include <net/if.h>
#include <sys/un.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "engine/help_text.h"
#include "engine/text.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMaxInterfaces = 64;
constexpr std::size_t kMaxLocalNetworks = 1024;
constexpr std::size_t kMaxInterfaceName = IFNAMSIZ - 1;
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::uint64_t kMaxReaders = 256;  // members of a fanout group, in older kernels
constexpr unsigned kMaxCpu = 1023;          // what cpu_set_t holds
constexpr std::size_t kMaxTypingErrors = 2;

using Values = std::vector<std::string>;

// An option that takes a value. `apply` stores it and says whether it was one of the `allowed`; it
// throws UsageError itself when there is more to say.
struct ValueOption {
  const char* names;
  const char* allowed;
  bool repeatable;
  bool (*apply)(Options&, const std::string&);
};

struct FlagOption {
  const char* names;
  bool Options::*flag;
};

template <class Number>
bool store_number(Number& target, const std::string& text, std::uint64_t lowest,
                  std::uint64_t highest) {
  const auto value = parse_number(text, lowest, highest);
  if (value) target = static_cast<Number>(*value);
  return value.has_value();
}

bool apply_user(Options& options, const std::string& text) {
  options.user = text;
  return !text.empty();
}

// What the kernel takes as the name of a link.
bool is_interface_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxInterfaceName || name == "." || name == "..") return false;
  return name.find_first_of("/: \t\n\v\f\r") == std::string_view::npos;
}

bool apply_interface(Options& options, const std::string& text) {
  if (!is_interface_name(text)) return false;
  auto& interfaces = options.interfaces;
  if (std::find(interfaces.begin(), interfaces.end(), text) != interfaces.end()) {
    throw UsageError("--interface: " + in_quotes(text) + " is given twice; once is enough");
  }
  interfaces.push_back(text);
  const bool any = std::find(interfaces.begin(), interfaces.end(), "any") != interfaces.end();
  if (any && interfaces.size() > 1) {
    throw UsageError("--interface: 'any' stands for every interface; give it alone");
  }
  if (interfaces.size() > kMaxInterfaces) {
    throw UsageError("--interface: at most " + std::to_string(kMaxInterfaces) +
                     " interfaces are watched at once; 'any' stands for all");
  }
  return true;
}

bool apply_socket(Options& options, const std::string& text) {
  options.socket_path = text;
  return !text.empty() && text.size() <= kMaxSocketPath;
}

bool apply_checksum(Options& options, const std::string& text) {
  return store_number(options.checksum, text, 0, 2);
}

bool apply_timeout(Options& options, const std::string& text) {
  const auto seconds = parse_number(text, 1, 3600);
  if (seconds) options.timeout = std::chrono::seconds(*seconds);
  return seconds.has_value();
}

bool apply_buffer(Options& options, const std::string& text) {
  return store_number(options.ring_mib.emplace(), text, 1, 4095);
}

bool apply_loglevel(Options& options, const std::string& text) {
  static const std::map<std::string, int, std::less<>> levels{
      {"emerg", 0}, {"panic", 0},   {"alert", 1},  {"crit", 2}, {"err", 3},  {"error", 3},
      {"warn", 4},  {"warning", 4}, {"notice", 5}, {"info", 6}, {"debug", 7}};
  std::string name = text;
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (name.starts_with("log_")) name.erase(0, 4);
  const auto level = levels.find(name);
  if (level == levels.end()) return store_number(options.log_level, text, 0, 7);
  options.log_level = level->second;
  return true;
}

bool apply_threads(Options& options, const std::string& text) {
  return store_number(options.threads.emplace(), text, 1, kMaxReaders);
}

// "0-3,8": numbers and ranges; twice the same CPU is one CPU.
bool apply_cpus(Options& options, const std::string& text) {
  std::vector<unsigned> cpus;
  std::string_view left = text;
  for (bool more = true; more;) {
    const std::size_t comma = left.find(',');
    const std::string_view item = left.substr(0, comma);
    const std::size_t dash = item.find('-');
    const auto first = parse_number(item.substr(0, dash), 0, kMaxCpu);
    const auto last =
        dash == std::string_view::npos ? first : parse_number(item.substr(dash + 1), 0, kMaxCpu);
    if (!first || !last || *first > *last) return false;
    for (auto cpu = *first; cpu <= *last; ++cpu) cpus.push_back(static_cast<unsigned>(cpu));
    more = comma != std::string_view::npos;
    if (more) left.remove_prefix(comma + 1);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  if (cpus.size() > kMaxReaders) return false;
  options.cpus = std::move(cpus);
  return true;
}

bool apply_max_sessions(Options& options, const std::string& text) {
  return store_number(options.max_sessions, text, 1, 100'000'000);
}

bool apply_local(Options& options, const std::string& text) {
  const auto parsed = parse_prefix(text);
  if (!parsed) return false;
  if (options.local.size() == kMaxLocalNetworks) {
    throw UsageError("--local: at most " + std::to_string(kMaxLocalNetworks) + " are taken");
  }
  options.local.push_back(parsed->prefix);
  if (parsed->host_bits_cleared) {
    options.warnings.push_back("--local: " + text + " has bits beyond its prefix, " +
                               to_string(parsed->prefix) + " is used");
  }
  return true;
}

bool apply_copy_window(Options& options, const std::string& text) {
  const auto milliseconds = parse_number(text, 0, 1000);
  if (milliseconds) options.copy_window = std::chrono::milliseconds(*milliseconds);
  return milliseconds.has_value();
}

bool apply_bpf(Options& options, const std::string& text) {
  options.bpf = text;
  return text.find_first_not_of(" \t") != std::string::npos;
}

bool apply_capture(Options& options, const std::string& text) {
  options.capture = text == "tcp" ? CaptureMode::tcp : CaptureMode::handshake;
  return text == "tcp" || text == "handshake";
}

bool apply_output(Options& options, const std::string& text) {
  options.output = text == "json" ? OutputFormat::json : OutputFormat::text;
  return text == "json" || text == "text";
}

constexpr std::array kValueOptions{
    ValueOption{"-u,--user", "a user name or number", false, apply_user},
    ValueOption{"-i,--interface", "an interface name of 1 to 15 characters, or any", true,
                apply_interface},
    ValueOption{"-U,--socket", "a path of 1 to 107 bytes", false, apply_socket},
    ValueOption{"-c,--checksum", "0 (none), 1 (IP header) or 2 (IP header and TCP)", false,
                apply_checksum},
    ValueOption{"-t,--timeout", "a number of seconds from 1 to 3600", false, apply_timeout},
    ValueOption{"-B,--buffer", "a number of MiB from 1 to 4095", false, apply_buffer},
    ValueOption{"-l,--loglevel",
                "debug, info, notice, warning, err, crit, alert, emerg or a number from 0 to 7",
                false, apply_loglevel},
    ValueOption{"--threads", "a number of readers from 1 to 256", false, apply_threads},
    ValueOption{"--cpus", "a list of at most 256 CPU numbers from 0 to 1023, such as 0-3,8", false,
                apply_cpus},
    ValueOption{"--max-sessions", "a number of attempts from 1 to 100000000", false,
                apply_max_sessions},
    ValueOption{"--local", "an address or ADDRESS/LENGTH, IPv4 or IPv6", true, apply_local},
    ValueOption{"--copy-window", "a number of milliseconds from 0 to 1000", false,
                apply_copy_window},
    ValueOption{"--bpf", "a libpcap filter expression", false, apply_bpf},
    ValueOption{"--capture", "handshake or tcp", false, apply_capture},
    ValueOption{"--output", "text or json", false, apply_output},
};
static_assert(kMaxInterfaceName == 15 && kMaxSocketPath == 107, "the bounds the texts above name");

constexpr std::array kFlagOptions{
    FlagOption{"-q,--quiet", &Options::quiet},
    FlagOption{"--promisc", &Options::promiscuous},
    FlagOption{"--icmp", &Options::icmp},
    FlagOption{"--syslog", &Options::log_to_syslog},
};

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
    for (const auto& option : kFlagOptions) flags_.push_back(app_.add_flag(option.names));
    for (const auto& option : kValueOptions) {
      values_.push_back(app_.add_option(option.names)->take_all());
    }
  }

  void parse(std::span<const char* const> arguments);
  [[nodiscard]] bool wants_help() const { return help_->count() > 0; }
  [[nodiscard]] bool wants_version() const { return version_->count() > 0; }
  // The positional arguments. Throws for an option that does not exist.
  [[nodiscard]] Values expressions() const;
  void apply_to(Options& options) const;

 private:
  void check_attached_values(const Values& arguments) const;
  [[noreturn]] void refuse_missing_value(std::string_view argument) const;
  [[noreturn]] void refuse_unknown(const std::string& argument) const;
  [[nodiscard]] const ValueOption* value_option(const CLI::Option* option) const;

  CLI::App app_;
  CLI::Option* help_ = nullptr;
  CLI::Option* version_ = nullptr;
  std::vector<CLI::Option*> flags_;   // as kFlagOptions
  std::vector<CLI::Option*> values_;  // as kValueOptions
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
  return &kValueOptions[static_cast<std::size_t>(place - values_.begin())];
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
  for (std::size_t i = 0; i < kFlagOptions.size(); ++i) {
    options.*kFlagOptions[i].flag = flags_[i]->count() > 0;
  }
  for (std::size_t i = 0; i < kValueOptions.size(); ++i) {
    const ValueOption& known = kValueOptions[i];
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
