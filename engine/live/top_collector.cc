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
  query_ = TopQuery();
  query_.by = request.by;
  ask(query_);
}

void TopCollector::ask(const TopQuery& query) {
  for (std::size_t i = 0; i < readers_.size(); ++i) readers_[i].ask_top(query);
}

void TopCollector::on_answer() {
  if (!receiver_ || !all_ready()) return;
  if (query_.part == TopQuery::Part::details) return finish();
  choice_ = choose_top(reports(), request_.count);
  query_.part = TopQuery::Part::details;
  query_.count = choice_.keys.size();
  std::ranges::copy(choice_.keys, query_.keys.begin());
  ask(query_);
}

void TopCollector::finish() {
  const ipc::Top top = build_top(request_, choice_, reports(), std::chrono::system_clock::now());
  std::exchange(receiver_, nullptr)(top);
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
