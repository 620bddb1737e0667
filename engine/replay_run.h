// Replay put together: reads capture files in order, counts as in live capture, prints lines and summary.
//
// How it works: the files yield blocks of packets; all readers process each block in parallel; its
// outcomes are printed before the next block is read. Attempts time out by packet time.
//
// Thread contract: constructed and run by the main thread.
// Errors: UsageError for a wrong command line; std::system_error and std::runtime_error, worded for the
// user, for a file that cannot be opened or read.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/config/options.h"
#include "engine/filters/filter_registry.h"
#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/output/redactor.h"
#include "engine/output/reporter.h"
#include "engine/process/privileges.h"
#include "engine/process/sandbox.h"
#include "engine/process/termination_signals.h"
#include "engine/replay/capture_files.h"
#include "engine/replay/progress.h"
#include "engine/replay/replay_clock.h"
#include "engine/replay/replay_readers.h"
#include "engine/replay_report.h"
#include "ipc/explain.h"
#include "ipc/snapshot.h"
#include "ipc/top.h"

namespace tcpeek::engine {

class ReplayRun {
 public:
  // Opens all files, drops privileges and filters the system calls of its threads.
  ReplayRun(const Options& options, LineWriter& standard_error, LineWriter& standard_output,
            Log& log);

  // Runs to the end of the files, or until SIGINT, SIGTERM or SIGHUP; prints the summary, and what was
  // wrong with the files. Returns false if anything was.
  [[nodiscard]] bool run();

 private:
  void make_readers();
  void enter_sandbox();
  void answer_request();
  [[nodiscard]] bool over() const noexcept;
  [[nodiscard]] std::span<const ring::SavedPacket> up_to_the_end(
      std::span<const ring::SavedPacket> packets);
  void print_banner();
  void take(std::span<const ring::SavedPacket> packets);
  void sweep(flowtable::PacketTime now);
  // All of a sweep before they are printed, in the order of their time.
  void collect_outcomes();
  void print_outcomes();
  void show_progress() {
    if (progress_.due()) progress_.update(files_.passed(), files_.total(), clock_.packets());
  }
  void finish();
  void print_summary();
  void print_explanation();
  [[nodiscard]] ipc::Explanation explanation();
  [[nodiscard]] ipc::Top top(unsigned services, std::chrono::system_clock::time_point taken);
  // Stops where the report wants to know the counts.
  void take_with_samples(std::span<const ring::SavedPacket> packets);
  void sample();
  void write_report();
  [[nodiscard]] std::string shown(std::string text);
  [[nodiscard]] ipc::Snapshot snapshot();

  const Options options_;
  const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  Log& log_;
  const std::optional<User> user_;  // to become
  const Sandbox sandbox_;
  const FilterRegistry filters_;
  const TerminationSignals signals_;
  const RequestSignals request_signals_;
  bool reading_ = false;       // what has been read so far can be summed up
  bool past_the_end_ = false;  // of --duration
  std::optional<std::int64_t> end_ns_;
  bool summary_owed_ = false;  // asked for before that
  Progress progress_;
  CaptureFiles files_;
  Reporter reporter_;
  ReplayClock clock_;
  Redactor redactor_;                   // used with --redact
  std::optional<ReplayReport> report_;  // with --report
  std::optional<ReplayReaders>
      readers_;  // made after privileges are dropped: each thread has its own
};

}  // namespace tcpeek::engine
