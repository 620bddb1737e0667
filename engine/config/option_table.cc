#include "engine/config/option_table.h"

#include <limits.h>
#include <net/if.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "engine/base/text.h"
#include "engine/config/tunnel_list.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMaxInterfaces = 64;
constexpr std::size_t kMaxLocalNetworks = 1024;
constexpr std::size_t kMaxReadFiles = 1024;
constexpr std::size_t kMaxInterfaceName = IFNAMSIZ - 1;
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::uint64_t kMaxReaders = 256;  // members of a fanout group, in older kernels
constexpr std::size_t kMaxNetnsName = NAME_MAX;
constexpr unsigned kMaxCpu = 1023;  // what cpu_set_t holds
constexpr const char* kOutcomes =
    "success, failure, or a list, such as timeout,refused, of: reject, timeout, unreach, pending, "
    "refused, reset, aborted, half_open, probe, no_answer, no_ack, superseded, unreachable";

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

// As the kernel's dev_valid_name() has it.
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

bool apply_read(Options& options, const std::string& text) {
  if (options.read_files.size() == kMaxReadFiles) {
    throw UsageError("--read: at most " + std::to_string(kMaxReadFiles) +
                     " files are read at once");
  }
  auto& files = options.read_files;
  if (text == "-" && std::find(files.begin(), files.end(), text) != files.end()) {
    throw UsageError("--read: standard input (-) can be read only once");
  }
  files.push_back(text);
  return !text.empty();
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

// "0-3,8": numbers and ranges. A CPU named twice counts once.
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
  return store_number(options.max_sessions.emplace(), text, 1, 100'000'000);
}

[[noreturn]] void refuse_local(const std::string& text) {
  const std::string reason =
      explain_prefix(text, "IPv4 or IPv6, with /LENGTH for a network").reason;
  const bool names_all = text.empty() || reason.starts_with(in_quotes(text));
  throw UsageError("--local: " +
                   (names_all ? reason : in_quotes(text) + " is not a network: " + reason));
}

bool apply_local(Options& options, const std::string& text) {
  const auto parsed = parse_prefix(text);
  if (!parsed) refuse_local(text);
  if (options.local.size() == kMaxLocalNetworks) {
    throw UsageError("--local: at most " + std::to_string(kMaxLocalNetworks) +
                     " networks may be given");
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

bool apply_prefilter(Options& options, const std::string& text) {
  if (text == "off") options.prefilter = PrefilterMode::off;
  if (text == "auto") options.prefilter = PrefilterMode::automatic;
  if (text == "on") options.prefilter = PrefilterMode::on;
  return text == "off" || text == "auto" || text == "on";
}

bool apply_failing_ratio(Options& options, const std::string& text) {
  return store_number(options.health.failing_percent, text, 1, 100);
}

bool apply_degraded_ratio(Options& options, const std::string& text) {
  return store_number(options.health.degraded_percent, text, 1, 100);
}

bool apply_alert_min_attempts(Options& options, const std::string& text) {
  return store_number(options.health.min_attempts, text, 1, 1'000'000);
}

bool apply_failing_run(Options& options, const std::string& text) {
  return store_number(options.health.failing_run, text, 1, 1000);
}

bool apply_decap(Options& options, const std::string& text) {
  options.decap = parse_tunnels(text);
  return options.decap.has_value();
}

bool apply_output(Options& options, const std::string& text) {
  options.output = text == "json" ? OutputFormat::json : OutputFormat::text;
  return text == "json" || text == "text";
}

bool apply_report(Options& options, const std::string& text) {
  options.report = text;
  return !text.empty() && !text.ends_with('/');
}

// "127.0.0.1:9475", "[::1]:9475", ":9475", "9475", "systemd".
bool apply_metrics_listen(Options& options, const std::string& text) {
  MetricsListen& listen = options.metrics_listen.emplace();
  listen.inherited = text == "systemd";
  if (listen.inherited) return true;
  const std::size_t colon = text.rfind(':');
  const bool has_port_only = colon == std::string::npos;
  const std::string_view whole = text;
  const auto port = parse_number(has_port_only ? whole : whole.substr(colon + 1), 1, 65535);
  if (!port) return false;
  listen.port = static_cast<std::uint16_t>(*port);
  std::string_view address = has_port_only ? std::string_view() : whole.substr(0, colon);
  if (address.empty()) address = "127.0.0.1";
  const bool in_brackets = address.starts_with('[') && address.ends_with(']');
  if (in_brackets) address = address.substr(1, address.size() - 2);
  const auto parsed = parse_address(address);
  listen.address = address;
  return parsed && in_brackets == (address.find(':') != std::string_view::npos);
}

bool apply_metrics_services(Options& options, const std::string& text) {
  return store_number(options.metrics_services, text, 0, 100);
}

bool apply_color(Options& options, const std::string& text) {
  if (text == "always") options.colour = ColourMode::always;
  if (text == "never") options.colour = ColourMode::never;
  return text == "always" || text == "never" || text == "auto";
}

// Refused is the first wrong word, not the whole list.
bool apply_only(Options& options, const std::string& text) {
  if (const auto choice = OutcomeChoice::parse(text)) {
    options.only = *choice;
    return true;
  }
  std::string_view left = text;
  while (OutcomeChoice::parse(left.substr(0, left.find(',')))) {
    left.remove_prefix(left.find(',') + 1);
  }
  throw UsageError("--only: " + in_quotes(left.substr(0, left.find(','))) + " is not " + kOutcomes);
}

bool apply_duration(Options& options, const std::string& text) {
  const auto seconds = parse_number(text, 1, 1'000'000'000);
  if (seconds) options.duration = std::chrono::seconds(*seconds);
  return seconds.has_value();
}

bool apply_count(Options& options, const std::string& text) {
  return store_number(options.count.emplace(), text, 1, 1'000'000'000'000);
}

// A name is one of a file, in the folder of such names.
bool apply_netns(Options& options, const std::string& text) {
  options.netns = text;
  return !text.empty() && text.size() <= kMaxNetnsName && text != "." && text != ".." &&
         text.find('/') == std::string::npos;
}

template <auto field>
bool same(const Options& a, const Options& b) {
  return a.*field == b.*field;
}

template <auto limit>
bool same_limit(const Options& a, const Options& b) {
  return a.health.*limit == b.health.*limit;
}

constexpr std::array kValueOptions{
    ValueOption{"-u,--user", "a user name or number", false, apply_user, same<&Options::user>},
    ValueOption{"-i,--interface", "an interface name of 1 to 15 characters, or any", true,
                apply_interface, same<&Options::interfaces>},
    ValueOption{"-r,--read", "the path of a capture file, or - for standard input", true,
                apply_read, same<&Options::read_files>},
    ValueOption{"-U,--socket", "a path of 1 to 107 bytes", false, apply_socket,
                same<&Options::socket_path>},
    ValueOption{"-c,--checksum", "0 (none), 1 (IP header) or 2 (IP header and TCP)", false,
                apply_checksum, same<&Options::checksum>},
    ValueOption{"-t,--timeout", "a number of seconds from 1 to 3600", false, apply_timeout,
                same<&Options::timeout>},
    ValueOption{"-B,--buffer", "a number of MiB from 1 to 4095", false, apply_buffer,
                same<&Options::ring_mib>},
    ValueOption{"-l,--loglevel",
                "debug, info, notice, warning, err, crit, alert, emerg or a number from 0 to 7",
                false, apply_loglevel, same<&Options::log_level>, true},
    ValueOption{"--threads", "a number of readers from 1 to 256", false, apply_threads,
                same<&Options::threads>},
    ValueOption{"--cpus", "a list of at most 256 CPU numbers from 0 to 1023, such as 0-3,8", false,
                apply_cpus, same<&Options::cpus>},
    ValueOption{"--max-sessions", "a number of attempts from 1 to 100000000", false,
                apply_max_sessions, same<&Options::max_sessions>},
    ValueOption{"--local", "an address or ADDRESS/LENGTH, IPv4 or IPv6", true, apply_local,
                same<&Options::local>, true},
    ValueOption{"--copy-window", "a number of milliseconds from 0 to 1000", false,
                apply_copy_window, same<&Options::copy_window>},
    ValueOption{"--bpf", "a libpcap filter expression", false, apply_bpf, same<&Options::bpf>},
    ValueOption{"--capture", "handshake or tcp", false, apply_capture, same<&Options::capture>},
    ValueOption{"--prefilter", "auto, off or on", false, apply_prefilter,
                same<&Options::prefilter>},
    ValueOption{
        "--decap",
        "none, all, or a list of vxlan[:PORT], geneve[:PORT], gre and ipip, such as vxlan:4790,gre",
        false, apply_decap, same<&Options::decap>},
    ValueOption{"--output", "text or json", false, apply_output, same<&Options::output>},
    ValueOption{"--report", "the path of a file to write", false, apply_report,
                same<&Options::report>},
    ValueOption{"--metrics-listen",
                "ADDRESS:PORT with a numeric address (IPv6 in brackets), :PORT or PORT for "
                "127.0.0.1, with a port from 1 to 65535, or systemd",
                false, apply_metrics_listen, same<&Options::metrics_listen>},
    ValueOption{"--metrics-services", "a number of services from 0 to 100", false,
                apply_metrics_services, same<&Options::metrics_services>},
    ValueOption{"--only", kOutcomes, false, apply_only, same<&Options::only>, true},
    ValueOption{"--color", "auto, always or never", false, apply_color, same<&Options::colour>},
    ValueOption{"--duration", "a number of seconds from 1 to 1000000000", false, apply_duration,
                same<&Options::duration>},
    ValueOption{"--count", "a number of outcomes from 1 to 1000000000000", false, apply_count,
                same<&Options::count>},
    ValueOption{"--netns", "the name of a network namespace or the ID of a process", false,
                apply_netns, same<&Options::netns>},
    ValueOption{"--failing-ratio", "a percentage from 1 to 100", false, apply_failing_ratio,
                same_limit<&HealthLimits::failing_percent>, true},
    ValueOption{"--degraded-ratio", "a percentage from 1 to 100", false, apply_degraded_ratio,
                same_limit<&HealthLimits::degraded_percent>, true},
    ValueOption{"--alert-min-attempts", "a number of attempts from 1 to 1000000", false,
                apply_alert_min_attempts, same_limit<&HealthLimits::min_attempts>, true},
    ValueOption{"--failing-run", "a number of failures from 1 to 1000", false, apply_failing_run,
                same_limit<&HealthLimits::failing_run>, true},
};
static_assert(kMaxInterfaceName == 15 && kMaxSocketPath == 107, "the bounds the texts above name");

constexpr std::array kFlagOptions{
    FlagOption{"--web", &Options::web},
    FlagOption{"--redact", &Options::redact},
    FlagOption{"--no-socket", &Options::no_socket},
    FlagOption{"--metrics-services-tx", &Options::metrics_services_tx},
    FlagOption{"--metrics-exemplars", &Options::metrics_exemplars},
    FlagOption{"-q,--quiet", &Options::quiet},
    FlagOption{"--promisc", &Options::promiscuous},
    FlagOption{"--icmp", &Options::icmp},
    FlagOption{"--explain", &Options::explain},
    FlagOption{"--syslog", &Options::log_to_syslog},
    FlagOption{"--no-seccomp", &Options::no_seccomp},
    FlagOption{"--prefault", &Options::prefault},
};

}  // namespace

std::span<const ValueOption> value_options() noexcept {
  return kValueOptions;
}

std::span<const FlagOption> flag_options() noexcept {
  return kFlagOptions;
}

std::string_view long_name(std::string_view names) noexcept {
  return names.substr(names.find("--"));
}

ChangedOptions changed_options(const Options& running, const Options& wanted) {
  ChangedOptions changed;
  for (const ValueOption& option : kValueOptions) {
    if (option.same(running, wanted)) continue;
    (option.may_change ? changed.changeable : changed.fixed).emplace_back(long_name(option.names));
  }
  for (const FlagOption& option : kFlagOptions) {
    if (running.*option.flag != wanted.*option.flag) {
      changed.fixed.emplace_back(long_name(option.names));
    }
  }
  return changed;
}

}  // namespace tcpeek::engine
