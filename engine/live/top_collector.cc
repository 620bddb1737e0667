#include "engine/live/top_collector.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tcpeek::engine {

void TopCollector::collect(const ipc::TopRequest& request, Receiver receiver) {
  rounds_.take_turn([this, request, receiver = std::move(receiver)] {
    receiver_ = receiver;
    request_ = request;
    begin();
  });
}

void TopCollector::begin() {
  TopQuery query;
  query.by = request_.by;
  rounds_.ask(query, [this](TopReports readers) { on_candidates(readers); });
}

void TopCollector::on_candidates(TopReports readers) {
  choice_ = choose_top(readers, request_.count);
  TopQuery query;
  query.by = request_.by;
  query.part = TopQuery::Part::details;
  query.count = choice_.keys.size();
  std::ranges::copy(choice_.keys, query.keys.begin());
  rounds_.ask(query, [this](TopReports reports) { on_details(reports); });
}

void TopCollector::on_details(TopReports readers) {
  const ipc::Top top = build_top(request_, choice_, readers, std::chrono::system_clock::now());
  const Receiver receiver = std::exchange(receiver_, nullptr);
  rounds_.done();
  receiver(top);
}

}  // namespace tcpeek::engine
