#include "engine/live/top_collector.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tcpeek::engine {

TopCollector::TopCollector(ipc::Reactor& reactor, Readers& readers) : readers_(readers) {
  for (std::size_t i = 0; i < readers.size(); ++i) {
    reactor.on_readable(readers[i].top().descriptor(), [this, &top = readers[i].top()] {
      top.clear();
      on_answer();
    });
  }
}

void TopCollector::collect(const ipc::TopRequest& request, Receiver receiver) {
  receiver_ = std::move(receiver);
  request_ = request;
  if (!busy_) begin_top();
}

void TopCollector::collect_services(ServiceMembers& members, ServicesReceiver receiver) {
  services_receiver_ = std::move(receiver);
  members_ = &members;
  if (!busy_) begin_services();
}

void TopCollector::begin_top() {
  query_ = TopQuery();
  query_.by = request_.by;
  ask(query_);
}

void TopCollector::begin_services() {
  query_ = members_->query();
  ask(query_);
}

// What came while the readers were busy with the other kind.
void TopCollector::begin_next() {
  if (busy_) return;
  if (receiver_) return begin_top();
  if (services_receiver_) begin_services();
}

void TopCollector::ask(const TopQuery& query) {
  busy_ = true;
  for (std::size_t i = 0; i < readers_.size(); ++i) readers_[i].ask_top(query);
}

void TopCollector::on_answer() {
  if (!busy_ || !all_ready()) return;
  switch (query_.part) {
    case TopQuery::Part::candidates:
      choice_ = choose_top(reports(), request_.count);
      query_.part = TopQuery::Part::details;
      query_.count = choice_.keys.size();
      std::ranges::copy(choice_.keys, query_.keys.begin());
      return ask(query_);
    case TopQuery::Part::details:
      return finish_top();
    case TopQuery::Part::services:
      if (members_->update(reports())) return begin_services();
      return finish_services();
  }
}

// Who is called may ask again at once; whoever waited comes first then.
void TopCollector::finish_top() {
  const ipc::Top top = build_top(request_, choice_, reports(), std::chrono::system_clock::now());
  busy_ = false;
  const Receiver receiver = std::exchange(receiver_, nullptr);
  begin_next();
  receiver(top);
}

void TopCollector::finish_services() {
  const ipc::ServiceMetrics services = members_->metrics();
  busy_ = false;
  const ServicesReceiver receiver = std::exchange(services_receiver_, nullptr);
  begin_next();
  receiver(services);
}

bool TopCollector::all_ready() const noexcept {
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    if (!readers_[i].top().ready()) return false;
  }
  return true;
}

std::vector<const TopReport*> TopCollector::reports() const {
  std::vector<const TopReport*> reports;
  for (std::size_t i = 0; i < readers_.size(); ++i) reports.push_back(&readers_[i].top().report());
  return reports;
}

}  // namespace tcpeek::engine
