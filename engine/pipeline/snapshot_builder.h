// Sums the readers' reports into one Snapshot. Pure: plain data in, plain data out.
#pragma once

#include <span>

#include "engine/pipeline/reader_report.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

// A report and what is known of its reader besides.
struct ReaderView {
  const ReaderReport* report = nullptr;  // never null
  unsigned id = 0;
  int cpu = -1;
  std::uint64_t mailbox_depth = 0;
  std::uint64_t event_queue_depth = 0;
};

// `frame` brings what the reports do not know: version, times, names of interfaces and filters, the
// server's counts. Its filters and interfaces are in the order of the reports'.
[[nodiscard]] ipc::Snapshot build_snapshot(ipc::Snapshot frame,
                                           std::span<const ReaderView> readers);

// Reports are not taken at one moment: a segment can have arrived in one and not have left in
// another. Such a set is to be taken again.
[[nodiscard]] bool mail_adds_up(std::span<const ReaderView> readers) noexcept;

}  // namespace tcpeek::engine
