// Asks every reader for its report and makes one snapshot of them, for whoever wants one.
//
// Reports are taken one reader after the other, so mail may have been received that its sender had not
// yet reported: then all are asked again, a few times at most.
//
// A request that comes while reports are under way waits for the next round, so a snapshot is never
// older than the question.
//
// Thread contract: the reactor's thread. The readers outlive it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/event_fd.h"
#include "engine/live/reader.h"
#include "engine/pipeline/snapshot_builder.h"
#include "ipc/reactor.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

class SnapshotCollector {
 public:
  using Receiver = std::function<void(const ipc::Snapshot&)>;
  // Gives the parts of a snapshot that the readers do not know.
  using Frame = std::function<ipc::Snapshot()>;

  SnapshotCollector(ipc::Reactor& reactor, const EventFd& report_ready,
                    std::span<const std::unique_ptr<Reader>> readers, Frame frame);

  // Calls `receiver` with a snapshot taken from now on.
  void collect(Receiver receiver);

  // From the readers' last reports, when they have ended.
  [[nodiscard]] ipc::Snapshot last() const;

 private:
  void ask();
  void on_report();
  [[nodiscard]] std::vector<ReaderView> views() const;

  const EventFd& report_ready_;
  std::span<const std::unique_ptr<Reader>> readers_;
  Frame frame_;
  std::vector<Receiver> asked_;    // for the round under way
  std::vector<Receiver> waiting_;  // for the next one
  int rounds_ = 0;                 // of reports, for those asked
};

}  // namespace tcpeek::engine
