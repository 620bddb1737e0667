// tcpeek-forward put together: events from tcpeek's socket through the converter into the window, from there to the
// broker or to standard output, and where to resume into the state file.
//
// Thread contract: one thread; libnats and the HTTP server have theirs.
// Errors: std::system_error, UsageError while setting up; std::runtime_error where standard output ends.
#pragma once

#include <chrono>
#include <optional>

#include "engine/base/event_fd.h"
#include "engine/forward/converter.h"
#include "engine/forward/counters.h"
#include "engine/forward/delivery.h"
#include "engine/forward/forward_options.h"
#include "engine/forward/metrics_server.h"
#include "engine/forward/presence.h"
#include "engine/forward/state_file.h"
#include "engine/forward/watch_source.h"
#include "engine/forward/window.h"
#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/process/termination_signals.h"

namespace tcpeek::forward {

class Forwarder {
 public:
  // What is passed by reference outlives it.
  Forwarder(const ForwardOptions& options, const engine::TerminationSignals& signals,
            engine::LineWriter& standard_output, engine::Log& log);

  // Until a signal comes.
  void run();

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] State read_state();
  void turn(Clock::time_point now);
  void write_lines();
  void wait() const;
  void finish();
  void drain();
  void flush_aggregates(Clock::time_point now);
  void save_state(Clock::time_point now);
  void publish_gauges();

  const ForwardOptions& options_;
  const engine::TerminationSignals& signals_;
  engine::LineWriter& standard_output_;
  engine::Log& log_;
  Counters counters_;
  engine::EventFd wake_;
  std::optional<StateFile> state_file_;
  State saved_;
  Window window_;
  Presence presence_;
  Converter converter_;
  std::optional<Delivery> delivery_;  // none: a dry run
  WatchSource source_;
  std::optional<MetricsServer> metrics_;
  Clock::time_point next_save_;
  Clock::time_point next_flush_;
  bool save_failed_ = false;
};

}  // namespace tcpeek::forward
