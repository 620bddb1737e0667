#include "engine/pipeline/explain_totals.h"

namespace tcpeek::engine {

void add_totals(ExplainInput& input, const ipc::Snapshot& snapshot) {
  using ipc::Tally;
  const ipc::Counts& totals = snapshot.totals;
  input.attempts = totals[Tally::attempts];
  input.success = totals[Tally::success];
  input.failures = totals.failures();
  input.pending = totals[Tally::pending];
  input.retrying = totals[Tally::retrying];
  input.evicted = totals[Tally::evicted];
  input.uncertain = totals[Tally::uncertain];
  input.lost_packets = snapshot.packets.dropped;
}

}  // namespace tcpeek::engine
