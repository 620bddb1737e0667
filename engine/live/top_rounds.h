// Puts one question about services or peers to all readers and waits for their answers: TOP takes two such
// rounds, EXPLAIN four.
//
// One round at a time: readers have room for one question and one answer (pipeline/top_exchange.h). Those who
// need them take turns, of several rounds each; who comes meanwhile waits.
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <deque>
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

  // Calls `begin`, at once or when those who came before are done.
  void take_turn(std::function<void()> begin);
  // In one's turn. Precondition: the round before was answered.
  void ask(const TopQuery& query, OnReports on_reports);
  // Ends one's turn; to be called once, before who asked for the result is called.
  void done();

 private:
  void on_answer();
  [[nodiscard]] bool all_ready() const noexcept;

  Readers& readers_;
  bool taken_ = false;
  std::deque<std::function<void()>> waiting_;  // each of those who ask is in it once at most
  OnReports on_reports_;                       // empty: nothing is asked
};

}  // namespace tcpeek::engine
