// The program on capture files: reads them in order, counts as live, prints lines and summary.
//
// How it goes: the files give blocks of packets; all readers take each block side by side, every one
// the connections that it owns; what ended meanwhile is told before the next block. Time is the
// packets': attempts time out by it, and where it leaps by days, all that was pending is brought to
// its end first, as the table's clock counts no further than weeks.
//
// Thread contract: made and run by the main thread.
// Errors: UsageError for what the command line got wrong; std::runtime_error, in words for people, for
// a file that cannot be opened or is no capture file. Damage inside a file ends that file: what stands
// before it counts.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "engine/base/thread_team.h"
#include "engine/config/options.h"
#include "engine/filters/filter_matcher.h"
#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/output/reporter.h"
#include "engine/process/sandbox.h"
#include "engine/process/termination_signals.h"
#include "engine/replay/progress.h"
#include "engine/replay/replay_filters.h"
#include "engine/replay/replay_reader.h"
#include "ipc/snapshot.h"
#include "ring/savefile.h"

namespace tcpeek::engine {

class ReplayRun {
 public:
  // Opens all files, drops privileges and has its threads filter their system calls.
  ReplayRun(const Options& options, LineWriter& standard_error, LineWriter& standard_output,
            Log& log);

  // To the end of the files, or until SIGINT, SIGTERM or SIGHUP; prints the summary. Returns what was
  // wrong with the files, a line each.
  [[nodiscard]] std::vector<std::string> run();

 private:
  struct File {
    std::string name;                        // for people
    std::unique_ptr<ring::ByteInput> input;  // until it has a reader
    std::unique_ptr<ring::SavefileReader> reader;
    std::uint64_t packets = 0;
  };

  void open_files();
  void begin_files();
  void make_readers();
  void enter_sandbox();
  void print_banner();
  void read(File& file);
  void learn_interfaces(const File& file);
  [[nodiscard]] std::uint32_t number_of(const File& file, const ring::SavedInterface& interface);
  void take(std::span<const ring::SavedPacket> packets);
  void go_to(flowtable::PacketTime time) noexcept;
  void take_part(std::span<const ring::SavedPacket> packets);
  void sweep_all(flowtable::PacketTime now);
  [[nodiscard]] bool sweep_is_due() const noexcept;
  [[nodiscard]] std::uint64_t sum(std::uint64_t (flowtable::AttemptTable::*count)()
                                      const noexcept) const;
  void tell();
  void show_progress(const File& file);
  [[nodiscard]] bool interrupted() const noexcept;
  void finish();
  [[nodiscard]] ipc::Snapshot snapshot() const;

  const Options options_;
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  Log& log_;
  const Sandbox sandbox_;
  FilterMatcher matcher_;
  const TerminationSignals signals_;
  std::vector<File> files_;

  ReplayFilters filters_;
  std::vector<ReplayInterface> interfaces_;  // of the file being read
  std::map<std::tuple<std::uint32_t, std::string, std::uint16_t>, std::uint32_t> interface_numbers_;
  std::map<std::uint16_t, std::string> interface_names_;  // by number
  bool link_type_known_ = false;                          // of an interface of the file being read
  std::optional<std::uint16_t> unknown_link_type_;

  std::vector<std::unique_ptr<ReplayReader>> readers_;
  std::vector<OutcomeQueue*> outcomes_;  // theirs
  std::optional<ThreadTeam> team_;
  Reporter reporter_;
  Progress progress_;
  std::vector<std::string> wrong_;

  std::uint64_t packets_ = 0;
  std::uint64_t bytes_before_ = 0;  // of the files that have been read
  flowtable::PacketTime first_{};   // of all packets, whatever their order
  flowtable::PacketTime last_{};
  flowtable::PacketTime now_{};  // as the packets being read have it: goes back where they do
  flowtable::PacketTime swept_at_{};
  std::uint64_t packets_at_sweep_ = 0;
  std::chrono::steady_clock::time_point swept_on_ = std::chrono::steady_clock::now();
};

}  // namespace tcpeek::engine
