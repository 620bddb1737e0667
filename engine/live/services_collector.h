// Collects what METRICS lists of services from all readers: one round, and one more when services joined.
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <functional>

#include "engine/live/top_rounds.h"
#include "engine/pipeline/service_members.h"
#include "ipc/service_metrics.h"

namespace tcpeek::engine {

class ServicesCollector {
 public:
  using Receiver = std::function<void(const ipc::ServiceMetrics&)>;

  explicit ServicesCollector(TopRounds& rounds) : rounds_(rounds) {}

  // Calls `receiver` with what readers know from now on. `members` outlives the call.
  void collect(ServiceMembers& members, Receiver receiver);

 private:
  void ask();
  void finish();

  TopRounds& rounds_;
  // Of the one whose turn it is.
  ServiceMembers* members_ = nullptr;
  Receiver receiver_;
};

}  // namespace tcpeek::engine
