// Collects what EXPLAIN tells: a snapshot for the totals and for what was lost, then what readers know of
// services and who fails at them (pipeline/explain_gathering.h), and applies the rules to it.
//
// One request at a time: RequestHandler has the others wait.
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <functional>
#include <optional>

#include "engine/live/snapshot_collector.h"
#include "engine/live/top_rounds.h"
#include "engine/pipeline/explain_gathering.h"
#include "ipc/explain.h"

namespace tcpeek::engine {

class ExplainCollector {
 public:
  using Receiver = std::function<void(const ipc::Explanation&)>;

  // `local_is_own`: nothing is local but the addresses of captured interfaces (no --local).
  ExplainCollector(SnapshotCollector& snapshots, TopRounds& rounds, bool local_is_own)
      : snapshots_(snapshots), rounds_(rounds), local_is_own_(local_is_own) {}

  // Calls `receiver` with what is known from now on. Precondition: the one before was called.
  void collect(Receiver receiver);

 private:
  void ask();
  void on_reports(TopReports readers);
  void finish();

  SnapshotCollector& snapshots_;
  TopRounds& rounds_;
  const bool local_is_own_;
  Receiver receiver_;
  std::optional<ExplainGathering> gathering_;
};

}  // namespace tcpeek::engine
