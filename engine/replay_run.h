// The program on capture files: reads them in order, counts as live, prints lines and summary.
//
// How it goes: the files give blocks of packets; all readers take each block side by side; the outcomes
// are shown before the next block is read. Time is the packets': attempts time out by it.
//
// Thread contract: made and run by the main thread.
// Errors: UsageError for what the command line got wrong; std::system_error and std::runtime_error, in
// words for people, for a file that cannot be opened or read.
#pragma once

#include <chrono>
#include <optional>
#include <span>

#include "engine/config/options.h"
#include "engine/filters/filter_registry.h"
#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/output/reporter.h"
#include "engine/process/privileges.h"
#include "engine/process/sandbox.h"
#include "engine/process/termination_signals.h"
#include "engine/replay/capture_files.h"
#include "engine/replay/progress.h"
#include "engine/replay/replay_clock.h"
#include "engine/replay/replay_readers.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

class ReplayRun {
 public:
  // Opens all files, drops privileges and has its threads filter their system calls.
  ReplayRun(const Options& options, LineWriter& standard_error, LineWriter& standard_output,
            Log& log);

  // To the end of the files, or until SIGINT, SIGTERM or SIGHUP; prints the summary, and what was wrong
  // with the files. False: something was.
  [[nodiscard]] bool run();

 private:
  void make_readers();
  void enter_sandbox();
  void answer_request();
  void print_banner();
  void take(std::span<const ring::SavedPacket> packets);
  void sweep(flowtable::PacketTime now);
  void show_outcomes();
  void show_progress() {
    if (progress_.due()) progress_.update(files_.passed(), files_.total(), clock_.packets());
  }
  void finish();
  void print_summary();
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
  bool summary_owed_ = false;  // asked for before that
  Progress progress_;
  CaptureFiles files_;
  Reporter reporter_;
  ReplayClock clock_;
  std::optional<ReplayReaders> readers_;  // once rights are dropped: threads have their own
};

}  // namespace tcpeek::engine
