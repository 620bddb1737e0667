// Collects what TOP asks for from all readers: first their candidates, then the details of those chosen. And what
// METRICS tells of services, once more if new ones are found.
//
// A reader answers one query at a time, so the one kind of request waits for the other. Of each kind there is one:
// RequestHandler has the others wait, and equal ones share an answer.
//
// Thread contract: the reactor's thread. What it is given outlives it.
#pragma once

#include <functional>
#include <vector>

#include "engine/live/readers.h"
#include "engine/pipeline/service_members.h"
#include "engine/pipeline/top_builder.h"
#include "ipc/reactor.h"
#include "ipc/service_metrics.h"
#include "ipc/top.h"

namespace tcpeek::engine {

class TopCollector {
 public:
  using Receiver = std::function<void(const ipc::Top&)>;
  using ServicesReceiver = std::function<void(const ipc::ServiceMetrics&)>;

  TopCollector(ipc::Reactor& reactor, Readers& readers);

  // Calls `receiver` with what readers know from now on. Precondition: the one before was called.
  void collect(const ipc::TopRequest& request, Receiver receiver);
  // The same for services. `members` outlives this.
  void collect_services(ServiceMembers& members, ServicesReceiver receiver);

 private:
  void begin_top();
  void begin_services();
  void begin_next();
  void on_answer();
  void ask(const TopQuery& query);
  void finish_top();
  void finish_services();
  [[nodiscard]] bool all_ready() const noexcept;
  [[nodiscard]] std::vector<const TopReport*> reports() const;

  Readers& readers_;
  bool busy_ = false;  // with `query_`
  TopQuery query_;

  Receiver receiver_;  // of TOP; empty: nobody asks for it
  ipc::TopRequest request_;
  TopChoice choice_;

  ServicesReceiver services_receiver_;  // empty: nobody asks for them
  ServiceMembers* members_ = nullptr;
};

}  // namespace tcpeek::engine
