// Collects the reports of all readers and makes one snapshot of them, for all who requested one.
//
// Reports are taken one reader after the other, so mail may have been received that its sender had not
// yet reported: then all reports are requested again, a few times at most.
//
// A request that arrives while reports are being collected waits for the next round, so a snapshot is
// never older than its request.
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "engine/filters/filter_registry.h"
#include "engine/live/interfaces.h"
#include "engine/live/readers.h"
#include "engine/live/uptime_timeline.h"
#include "engine/output/line_writer.h"
#include "engine/pipeline/packet_timeline.h"
#include "ipc/http_server.h"
#include "ipc/reactor.h"
#include "ipc/snapshot.h"
#include "ipc/unix_server.h"

namespace tcpeek::engine {

class SnapshotCollector {
 public:
  using Receiver = std::function<void(const ipc::Snapshot&)>;

  SnapshotCollector(ipc::Reactor& reactor, Readers& readers, const FilterRegistry& filters,
                    const Interfaces& interfaces, const ClockReading& start);

  // Objects whose losses are also in the snapshots.
  void include(const ipc::UnixServer& server) { server_ = &server; }
  void include(const ipc::HttpServer& server) { http_ = &server; }
  void include(const LineWriter& writer) { writers_.push_back(&writer); }

  // Called with each snapshot before anyone receives it, to add what is known beside the readers.
  void annotate(std::function<void(ipc::Snapshot&)> add) { annotate_ = std::move(add); }

  // Calls `receiver` with a snapshot taken from now on.
  void collect(Receiver receiver);
  // The same without waking readers that have nothing to tell, perhaps at once: what such a reader last reported
  // is true still, but for packets that it has not been handed over yet.
  void collect_changes(Receiver receiver);

  // From the readers' last reports, when they have ended.
  [[nodiscard]] ipc::Snapshot last();

 private:
  void ask();
  void on_report();
  void finish();
  [[nodiscard]] ipc::Snapshot make(std::span<const ReaderView> readers);

  Readers& readers_;
  const FilterRegistry& filters_;
  const Interfaces& interfaces_;
  const std::chrono::system_clock::time_point started_;
  UptimeTimeline timeline_;
  const ipc::UnixServer* server_ = nullptr;
  const ipc::HttpServer* http_ = nullptr;
  std::vector<const LineWriter*> writers_;
  std::function<void(ipc::Snapshot&)> annotate_ = [](ipc::Snapshot&) {};
  std::vector<Receiver> asked_;    // for the current round
  std::vector<Receiver> waiting_;  // for the next one
  int rounds_ = 0;                 // of reports, for the current snapshot
};

}  // namespace tcpeek::engine
