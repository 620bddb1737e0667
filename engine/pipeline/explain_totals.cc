#include "engine/pipeline/explain_totals.h"

namespace tcpeek::engine {

namespace {

QueueFacts::Kernel kernel_of(ipc::QueueVerdict verdict) noexcept {
  switch (verdict) {
    case ipc::QueueVerdict::confirmed:
      return QueueFacts::Kernel::confirms;
    case ipc::QueueVerdict::refuted:
      return QueueFacts::Kernel::refutes;
    case ipc::QueueVerdict::unknown:
      return QueueFacts::Kernel::unknown;
  }
  __builtin_unreachable();
}

QueueFacts facts_of(const ipc::QueueStats& queue) {
  return {.address = queue.address,
          .port = queue.port,
          .suspected = queue.suspected,
          .kernel = kernel_of(queue.verdict),
          .waiting = queue.backlog_now.value_or(0),
          .limit = queue.backlog_max.value_or(0),
          .overflows = queue.overflows_last_minute.value_or(0)};
}

}  // namespace

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
  for (const ipc::QueueStats& queue : snapshot.queues.ports)
    input.queues.push_back(facts_of(queue));
}

}  // namespace tcpeek::engine
