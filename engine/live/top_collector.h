// Collects what TOP asks for from all readers: first their candidates, then the details of those chosen.
//
// Requests take turns (TopRounds); RequestHandler has equal ones share an answer.
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <functional>

#include "engine/live/top_rounds.h"
#include "engine/pipeline/top_builder.h"
#include "ipc/top.h"

namespace tcpeek::engine {

class TopCollector {
 public:
  using Receiver = std::function<void(const ipc::Top&)>;

  explicit TopCollector(TopRounds& rounds) : rounds_(rounds) {}

  // Calls `receiver` with what readers know from now on.
  void collect(const ipc::TopRequest& request, Receiver receiver);

 private:
  void begin();
  void on_candidates(TopReports readers);
  void on_details(TopReports readers);

  TopRounds& rounds_;
  // Of the one whose turn it is.
  Receiver receiver_;
  ipc::TopRequest request_;
  TopChoice choice_;
};

}  // namespace tcpeek::engine
