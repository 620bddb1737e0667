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
  waiting_.push_back({request, std::move(receiver)});
  if (receivers_.empty()) begin();
}

void TopCollector::begin() {
  if (waiting_.empty()) return;
  request_ = waiting_.front().request;
  std::erase_if(waiting_, [this](Asked& asked) {
    if (asked.request != request_) return false;
    receivers_.push_back(std::move(asked.receiver));
    return true;
  });
  query_ = TopQuery();
  query_.by = request_.by;
  ask(query_);
}

void TopCollector::ask(const TopQuery& query) {
  for (std::size_t i = 0; i < readers_.size(); ++i) readers_[i].ask_top(query);
}

void TopCollector::on_answer() {
  if (receivers_.empty() || !all_ready()) return;
  if (query_.part == TopQuery::Part::details) return finish();
  choice_ = choose_top(reports(), request_.count);
  query_.part = TopQuery::Part::details;
  query_.count = choice_.keys.size();
  std::ranges::copy(choice_.keys, query_.keys.begin());
  ask(query_);
}

void TopCollector::finish() {
  const ipc::Top top = build_top(request_, choice_, reports(), std::chrono::system_clock::now());
  for (const Receiver& receiver : std::exchange(receivers_, {})) receiver(top);
  if (receivers_.empty()) begin();
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
