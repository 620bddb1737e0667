#include "engine/forward/forward_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "engine/base/near_word.h"
#include "engine/base/text.h"
#include "engine/base/usage_error.h"
#include "engine/forward/message_id.h"

namespace tcpeek::forward {
namespace {

using engine::in_quotes;
using engine::UsageError;

constexpr std::size_t kMostServers = 16;
constexpr std::array<std::string_view, 8> kLevels{"emerg",   "alert",  "crit", "err",
                                                  "warning", "notice", "info", "debug"};

constexpr std::string_view kHelp = R"(usage: tcpeek-forward [OPTION]...
Forwards the events of a running tcpeek (WATCH) to a stream of NATS JetStream, each once.

  --socket PATH          tcpeek's socket (/var/run/tcpeek/tcpeek.sock)
  --server URL[,URL]...  brokers: nats://HOST[:PORT], tls://HOST[:PORT] (nats://127.0.0.1:4222)
  --stream NAME          the stream (TCPEEK)
  --subject PREFIX       subjects are PREFIX.<host>.<result> (tcpeek.events)
  --host NAME            the name of this host (its hostname)
  --state FILE           where to resume from (/var/lib/tcpeek-forward/state)
  --create-stream        make the stream if there is none
  --window N             messages on their way at most (8192)
  --aggregate SECONDS    successes as counts for each service; failures singly
  --redact               replace addresses
  --redact-key FILE      by this key, 16 bytes or more, so that all hosts replace them alike
  --dry-run              write the messages' payloads to standard output instead, as JSON lines
  --credentials FILE     JWT and seed, as nsc writes them
  --secret-file FILE     user:password or a token, in its first line
  --tls                  require TLS
  --tls-ca FILE          certificates to trust instead of the system's
  --tls-cert FILE        this client's certificate, with --tls-key FILE
  --metrics-listen ADDRESS:PORT   metrics of its own by HTTP
  -l, --loglevel LEVEL   emerg, alert, crit, err, warning, notice, info, debug, or 0 to 7 (notice)
  -h, --help             this text
  -v, --version          the version
)";

std::uint64_t number(std::string_view option, const std::string& text, std::uint64_t lowest,
                     std::uint64_t highest) {
  if (const auto value = engine::parse_number(text, lowest, highest)) return *value;
  throw UsageError(fmt::format("{}: {} is not a whole number from {} to {}", option,
                               in_quotes(text), lowest, highest));
}

int level(std::string text) {
  if (text.starts_with("LOG_")) text.erase(0, 4);
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto named = std::ranges::find(kLevels, text);
  if (named != kLevels.end()) return static_cast<int>(named - kLevels.begin());
  if (const auto value = engine::parse_number(text, LOG_EMERG, LOG_DEBUG)) {
    return static_cast<int>(*value);
  }
  throw UsageError(fmt::format("--loglevel: {} is not one of {} or a number from 0 to 7",
                               in_quotes(text), fmt::join(kLevels, ", ")));
}

// 127.0.0.1:9143, [::1]:9143
std::pair<std::string, std::uint16_t> address_and_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string address = text.substr(0, colon);
  const bool brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (brackets) address = address.substr(1, address.size() - 2);
  if (colon == std::string::npos || address.empty() ||
      (!brackets && address.find(':') != std::string::npos)) {
    throw UsageError(
        fmt::format("--metrics-listen: {} is not ADDRESS:PORT, as in 127.0.0.1:9143 or [::1]:9143",
                    in_quotes(text)));
  }
  const auto port = number("--metrics-listen", text.substr(colon + 1), 0, 65535);
  return {std::move(address), static_cast<std::uint16_t>(port)};
}

// libnats takes whatever it is given, and then finds no server for ever: [nats://|tls://][USER[:PASSWORD]@]HOST[:PORT]
bool is_server(std::string_view url) {
  for (const std::string_view scheme : {"nats://", "tls://"}) {
    if (url.starts_with(scheme)) url.remove_prefix(scheme.size());
  }
  url.remove_prefix(std::min(url.rfind('@') + 1, url.size()));
  const auto is_odd = [](unsigned char c) { return c <= ' ' || c >= 0x7F || c == '/'; };
  if (std::ranges::any_of(url, is_odd)) return false;
  const std::size_t end = url.starts_with('[') ? std::min(url.find(']'), url.size()) : 0;
  const std::size_t colon = std::min(url.find(':', end), url.size());
  if (colon == 0) return false;
  return colon == url.size() ||
         engine::parse_number(std::string(url.substr(colon + 1)), 1, 65535).has_value();
}

// What is no URL by itself may be a part of a password that has a comma in it.
std::string shown(const std::string& url, const std::string& list) {
  const bool may_be_secret = url.find('@') == url.npos && list.find('@') != list.npos;
  return may_be_secret ? "one of its URLs" : in_quotes(without_login(url));
}

std::vector<std::string> servers(const std::string& list) {
  std::vector<std::string> found;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) found.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  for (const std::string& url : found) {
    if (is_server(url)) continue;
    throw UsageError(fmt::format("--server: {} is not nats://HOST[:PORT] or tls://HOST[:PORT]",
                                 shown(url, list)));
  }
  if (found.empty()) {
    throw UsageError(
        fmt::format("--server: {} is not a list of URLs, separated by commas", in_quotes(list)));
  }
  if (found.size() > kMostServers) {
    throw UsageError(
        fmt::format("--server: {} URLs are too many: give {} at most", found.size(), kMostServers));
  }
  return found;
}

// Tokens with dots between, none of them empty or a wildcard.
void check_subject(const std::string& subject) {
  std::string_view rest = subject;
  while (true) {
    const std::string_view token = rest.substr(0, rest.find('.'));
    if (token.empty() || subject_token(token) != token) {
      throw UsageError(fmt::format(
          "--subject: {} is not a subject: tokens of printable ASCII without blanks, '*' and '>', "
          "with dots between",
          in_quotes(subject)));
    }
    if (token.size() == rest.size()) return;
    rest.remove_prefix(token.size() + 1);
  }
}

void check_stream(const std::string& stream) {
  if (!stream.empty() && subject_token(stream) == stream &&
      stream.find_first_of("/\\") == std::string::npos) {
    return;
  }
  throw UsageError(fmt::format(
      "--stream: {} is not a stream's name: printable ASCII without blanks, '.', '*', '>' and '/'",
      in_quotes(stream)));
}

std::string this_host() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') {
    throw UsageError("--host: this machine has no name (gethostname); give one");
  }
  return name.data();
}

// The values as they were given.
struct Given {
  std::string servers;
  std::string window;
  std::string aggregate;
  std::string metrics_listen;
  std::string level;
};

void apply(const Given& given, ForwardOptions& options) {
  if (!given.servers.empty()) options.broker.servers = servers(given.servers);
  if (!given.window.empty()) options.window = number("--window", given.window, 1, 1'000'000);
  if (!given.aggregate.empty()) {
    options.aggregate = std::chrono::seconds(number("--aggregate", given.aggregate, 1, 3600));
  }
  if (!given.metrics_listen.empty()) {
    options.metrics_listen = address_and_port(given.metrics_listen);
  }
  if (!given.level.empty()) options.log_level = level(given.level);
}

void check(ForwardOptions& options, bool state_given) {
  check_subject(options.subject);
  check_stream(options.stream);
  if (options.host.empty()) options.host = this_host();
  options.broker.name = "tcpeek-forward " + subject_token(options.host);
  if (options.broker.tls_certificate.empty() != options.broker.tls_key.empty()) {
    throw UsageError("--tls-cert and --tls-key: each needs the other");
  }
  if (!options.redact_key.empty()) options.redact = true;
  if (options.redact && options.aggregate.count() > 0 && options.redact_key.empty()) {
    throw UsageError(
        "--redact with --aggregate needs --redact-key: after a restart the same services must have "
        "the same addresses");
  }
  options.write_state = !options.dry_run || state_given;
}

std::string_view before_equals(const std::string& argument) {
  return std::string_view(argument).substr(0, argument.find('='));
}

// What CLI11 would take for something else, or refuse in words of its own.
void check_arguments(const CLI::App& app, std::span<const char* const> arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string argument = arguments[i];
    const std::string name(before_equals(argument));
    const bool attached = name.size() < argument.size();
    const CLI::Option* const option =
        argument.starts_with('-') ? app.get_option_no_throw(name) : nullptr;
    if (option == nullptr) continue;
    if (option->get_expected_max() == 0) {
      if (!attached) continue;
      throw UsageError(fmt::format("{}: takes no value, but {} was given", name,
                                   in_quotes(argument.substr(name.size() + 1))));
    }
    const bool last = i + 1 == arguments.size();
    const std::string value = attached ? argument.substr(name.size() + 1)
                              : last   ? std::string()
                                       : arguments[i + 1];
    if (value.empty()) {
      throw UsageError(name + " needs a value; tcpeek-forward --help lists the options");
    }
    if (!attached) ++i;
  }
}

[[noreturn]] void refuse_unknown(const CLI::App& app, const std::string& argument) {
  if (!argument.starts_with('-')) {
    throw UsageError(in_quotes(argument) +
                     " is not an option; tcpeek-forward --help lists the options");
  }
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) names.push_back(option->get_name());
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto meant = engine::nearest(before_equals(argument), known);
  throw UsageError(in_quotes(argument) + " is not an option" +
                   (meant ? "; did you mean " + std::string(*meant) + "?"
                          : "; tcpeek-forward --help lists the options"));
}

}  // namespace

ForwardCommandLine parse_forward_options(std::span<const char* const> arguments) {
  ForwardCommandLine result;
  ForwardOptions& options = result.options;
  Given given;
  bool help = false;
  bool version = false;
  CLI::App app;
  app.set_help_flag();
  app.add_flag("-h,--help", help);
  app.add_flag("-v,--version", version);
  app.add_option("--socket", options.socket);
  app.add_option("--server", given.servers);
  app.add_option("--stream", options.stream);
  app.add_option("--subject", options.subject);
  app.add_option("--host", options.host);
  const CLI::Option* const state = app.add_option("--state", options.state);
  app.add_flag("--create-stream", options.create_stream);
  app.add_option("--window", given.window);
  app.add_option("--aggregate", given.aggregate);
  app.add_flag("--redact", options.redact);
  app.add_option("--redact-key", options.redact_key);
  app.add_flag("--dry-run", options.dry_run);
  app.add_option("--credentials", options.broker.credentials);
  app.add_option("--secret-file", options.broker.secret_file);
  app.add_flag("--tls", options.broker.tls);
  app.add_option("--tls-ca", options.broker.tls_ca);
  app.add_option("--tls-cert", options.broker.tls_certificate);
  app.add_option("--tls-key", options.broker.tls_key);
  app.add_option("--metrics-listen", given.metrics_listen);
  app.add_option("-l,--loglevel", given.level);
  check_arguments(app, arguments);
  app.allow_extras();
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::Error& error) {
    throw UsageError("command line: " + engine::printable(error.what()) +
                     "; tcpeek-forward --help lists the options");
  }
  if (const auto extras = app.remaining(); !extras.empty()) refuse_unknown(app, extras.front());
  if (help) {
    result.print_and_exit = kHelp;
  } else if (version) {
    result.print_and_exit = "tcpeek-forward " TCPEEK_VERSION "\n";
  } else {
    apply(given, options);
    check(options, state->count() > 0);
  }
  return result;
}

}  // namespace tcpeek::forward
