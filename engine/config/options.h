// The command line, and the configuration file it names, checked: every value the program runs with.
//
// Thread contract: plain values, made before anything else starts, and once more for each reload.
// Errors: parse_command_line() throws UsageError for anything wrong, before anything but that file is
// opened.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/health_limits.h"
#include "engine/base/output_format.h"
#include "engine/base/usage_error.h"
#include "engine/config/config_file.h"
#include "engine/filters/address.h"
#include "engine/filters/filter_expression.h"
#include "engine/filters/outcome_choice.h"
#include "flowtable/decode.h"
#include "flowtable/tunnels.h"

namespace tcpeek::engine {

using ChecksumMode = flowtable::Verify;
enum class CaptureMode : std::uint8_t { handshake, tcp };
enum class PrefilterMode : std::uint8_t { off, automatic, on };

// Where metrics are served by HTTP.
struct MetricsListen {
  bool inherited = false;  // a socket that the service manager hands over
  std::string address;     // without brackets
  std::uint16_t port = 0;

  bool operator==(const MetricsListen&) const = default;
};

struct Options {
  std::optional<std::string> user;
  std::vector<std::string> interfaces;  // empty: the interface of the default route
  std::vector<std::string> read_files;  // not empty: read these instead; "-" is standard input
  std::string socket_path = "/var/run/tcpeek/tcpeek.sock";
  bool no_socket = false;  // no UNIX socket at all
  ChecksumMode checksum = ChecksumMode::none;
  std::chrono::seconds timeout{60};
  std::optional<unsigned> ring_mib;  // of each reader and interface; empty: chosen (sizing.h)
  int log_level = 5;                 // syslog(3) severity, 0 emerg .. 7 debug
  bool log_to_syslog = false;
  bool quiet = false;
  bool promiscuous = false;
  bool icmp = false;
  bool explain = false;  // of capture files: print what EXPLAIN would tell
  std::string report;    // of capture files: the page to write; empty: none
  bool redact = false;   // of capture files: numbers in place of addresses
  bool no_seccomp = false;
  std::optional<unsigned> threads;            // empty: chosen by the number of CPUs
  std::vector<unsigned> cpus;                 // empty: the CPUs this process may use
  std::optional<std::uint64_t> max_sessions;  // all readers together; empty: chosen (sizing.h)
  bool prefault = false;                      // tables take their memory at start
  std::vector<Prefix> local;
  std::chrono::microseconds copy_window{2000};
  std::string bpf;
  CaptureMode capture = CaptureMode::handshake;
  PrefilterMode prefilter = PrefilterMode::off;
  std::optional<flowtable::Tunnels> decap;  // empty: all for files, none live
  OutputFormat output = OutputFormat::text;
  std::optional<MetricsListen> metrics_listen;  // empty: no HTTP
  unsigned metrics_services = 50;               // local ports listed in METRICS; 0: none
  bool metrics_services_tx = false;             // as many remote services, too
  bool metrics_exemplars = false;               // failure counters name a peer
  bool web = false;                             // a page beside the metrics
  ColourMode colour = ColourMode::automatic;
  OutcomeChoice only;                            // that are shown one by one
  std::optional<std::chrono::seconds> duration;  // ends after so long,
  std::optional<std::uint64_t> count;            // after so many outcomes
  std::optional<std::string> netns;              // the network namespace to capture in
  HealthLimits health;
  std::vector<FilterExpression> filters;  // RX:RX@%:% and TX:TX@%:% first
  std::vector<std::string> warnings;      // to be logged once the log exists
  // What the command line said itself, as words: a reload that does not say it leaves it as it is.
  std::vector<std::string> own_words;

  // Live, the interface inside a tunnel is usually there to be watched itself.
  [[nodiscard]] flowtable::DecodeRules decoding() const noexcept {
    const auto by_default = read_files.empty() ? flowtable::Tunnels{} : flowtable::Tunnels::all();
    return {.verify = checksum, .tunnels = decap.value_or(by_default)};
  }
};

// What the command line asks for: to run with options, to hand them to a tcpeek that runs, or to print a
// text and exit with 0.
struct CommandLine {
  Options options;
  std::optional<std::string> print_and_exit;  // --help, --version
  bool reload = false;
  // All of it written out as one command line, the file's part too: parsed again it gives the same options.
  std::vector<std::string> arguments;
};

// Gets a configuration file's text; throws UsageError.
using ReadConfig = std::function<std::string(const std::string& path)>;

// What the command line says goes before what the file says; its filters come after the file's.
[[nodiscard]] CommandLine parse_command_line(std::span<const char* const> arguments,
                                             const ReadConfig& read = read_config_text);

}  // namespace tcpeek::engine
