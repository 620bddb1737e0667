// Sums the readers' reports into one Snapshot. Pure: plain data in, plain data out.
#pragma once

#include <chrono>
#include <span>
#include <vector>

#include "engine/filters/filter_registry.h"
#include "engine/pipeline/reader_report.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

// A report, and what else is known about its reader.
struct ReaderView {
  const ReaderReport* report = nullptr;  // never null
  unsigned id = 0;
  int cpu = -1;
  std::uint64_t mailbox_depth = 0;
  std::uint64_t event_queue_depth = 0;
};

// What neither the readers nor the filters know.
struct SnapshotFrame {
  std::chrono::system_clock::time_point started;
  std::chrono::system_clock::time_point taken;
  std::chrono::milliseconds uptime{0};
  std::vector<ipc::InterfaceStats> interfaces;  // in the order of the reports'
  ipc::ServerStats server;
};

// The one place where a snapshot is made, of live capture and of capture files.
[[nodiscard]] ipc::Snapshot build_snapshot(SnapshotFrame frame, const FilterRegistry& filters,
                                           std::span<const ReaderView> readers);

// Reports are not taken at the same instant: a segment may have arrived in one and not yet left in
// another. Such a set has to be taken again.
[[nodiscard]] bool mail_adds_up(std::span<const ReaderView> readers) noexcept;

}  // namespace tcpeek::engine
