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
  Request next{request, std::move(receiver)};
  if (receiver_) {
    waiting_.push_back(std::move(next));
  } else {
    begin(std::move(next));
  }
}

void TopCollector::begin(Request request) {
  receiver_ = std::move(request.receiver);
  request_ = request.request;
  query_ = TopQuery();
  query_.by = request_.by;
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
  const Receiver receiver = std::exchange(receiver_, nullptr);
  if (!waiting_.empty()) {
    begin(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  receiver(top);
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
