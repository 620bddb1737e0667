// The command line of tcpeek-forward.
//
// Thread contract: pure, but for the host's name.
// Errors: UsageError names the option, the value and what is allowed.
#pragma once

#include <syslog.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "engine/forward/broker_options.h"

namespace tcpeek::forward {

struct ForwardOptions {
  std::string socket = "/var/run/tcpeek/tcpeek.sock";
  BrokerOptions broker;
  std::string stream = "TCPEEK";
  std::string subject = "tcpeek.events";
  std::string host;  // by default the machine's
  std::string state = "/var/lib/tcpeek-forward/state";
  bool create_stream = false;
  std::size_t window = 8192;
  std::chrono::seconds aggregate{0};
  bool redact = false;
  std::string redact_key;  // a file
  bool dry_run = false;
  std::optional<std::pair<std::string, std::uint16_t>> metrics_listen;
  int log_level = LOG_NOTICE;
  bool write_state = true;  // no: dry run without --state
};

struct ForwardCommandLine {
  std::optional<std::string> print_and_exit;
  ForwardOptions options;
};

[[nodiscard]] ForwardCommandLine parse_forward_options(std::span<const char* const> arguments);

}  // namespace tcpeek::forward
