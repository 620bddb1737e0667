// Puts one question about services or peers to all readers and waits for their answers: TOP takes two such
// rounds, EXPLAIN four.
//
// One round at a time: readers have room for one question and one answer (pipeline/top_exchange.h). Who asks
// for a reply waits for the one before (serve/request_handler.h).
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <functional>
#include <vector>

#include "engine/live/readers.h"
#include "engine/pipeline/top_builder.h"
#include "ipc/reactor.h"

namespace tcpeek::engine {

class TopRounds {
 public:
  // The reports are valid during the call; it may ask again.
  using OnReports = std::function<void(TopReports)>;

  TopRounds(ipc::Reactor& reactor, Readers& readers);

  // Precondition: the one before was answered.
  void ask(const TopQuery& query, OnReports on_reports);

 private:
  void on_answer();
  [[nodiscard]] bool all_ready() const noexcept;

  Readers& readers_;
  OnReports on_reports_;  // empty: nothing is asked
};

}  // namespace tcpeek::engine
