// Collects what TOP asks for from all readers: first their candidates, then the details of those chosen.
//
// One request at a time; the others wait. RequestHandler asks once for all who want the same.
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <deque>
#include <functional>
#include <vector>

#include "engine/live/readers.h"
#include "engine/pipeline/top_builder.h"
#include "ipc/reactor.h"
#include "ipc/top.h"

namespace tcpeek::engine {

class TopCollector {
 public:
  using Receiver = std::function<void(const ipc::Top&)>;

  TopCollector(ipc::Reactor& reactor, Readers& readers);

  // Calls `receiver` with what readers know from now on.
  void collect(const ipc::TopRequest& request, Receiver receiver);

 private:
  struct Request {
    ipc::TopRequest request;
    Receiver receiver;
  };

  void begin(Request request);
  void on_answer();
  void ask(const TopQuery& query);
  void finish();
  [[nodiscard]] bool all_ready() const noexcept;
  [[nodiscard]] std::vector<const TopReport*> reports() const;

  Readers& readers_;
  std::deque<Request> waiting_;  // one of each that asks at most
  Receiver receiver_;            // of the current request; empty: there is none
  TopQuery query_;               // the current one
  ipc::TopRequest request_;
  TopChoice choice_;
};

}  // namespace tcpeek::engine
