#include "engine/live/services_collector.h"

#include <utility>

namespace tcpeek::engine {

void ServicesCollector::collect(ServiceMembers& members, Receiver receiver) {
  rounds_.take_turn([this, &members, receiver = std::move(receiver)] {
    members_ = &members;
    receiver_ = receiver;
    ask();
  });
}

void ServicesCollector::ask() {
  rounds_.ask(members_->query(), [this](TopReports readers) {
    if (members_->update(readers)) return ask();
    finish();
  });
}

void ServicesCollector::finish() {
  const ipc::ServiceMetrics services = members_->metrics();
  const Receiver receiver = std::exchange(receiver_, nullptr);
  rounds_.done();
  receiver(services);
}

}  // namespace tcpeek::engine
