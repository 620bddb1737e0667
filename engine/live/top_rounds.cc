#include "engine/live/top_rounds.h"

#include <utility>

namespace tcpeek::engine {

TopRounds::TopRounds(ipc::Reactor& reactor, Readers& readers) : readers_(readers) {
  for (std::size_t i = 0; i < readers.size(); ++i) {
    reactor.on_readable(readers[i].top().descriptor(), [this, &top = readers[i].top()] {
      top.clear();
      on_answer();
    });
  }
}

void TopRounds::take_turn(std::function<void()> begin) {
  if (taken_) return waiting_.push_back(std::move(begin));
  taken_ = true;
  begin();
}

void TopRounds::done() {
  taken_ = !waiting_.empty();
  if (!taken_) return;
  const std::function<void()> next = std::move(waiting_.front());
  waiting_.pop_front();
  next();
}

void TopRounds::ask(const TopQuery& query, OnReports on_reports) {
  on_reports_ = std::move(on_reports);
  for (std::size_t i = 0; i < readers_.size(); ++i) readers_[i].ask_top(query);
}

void TopRounds::on_answer() {
  if (!on_reports_ || !all_ready()) return;
  std::vector<const TopReport*> reports;
  for (std::size_t i = 0; i < readers_.size(); ++i) reports.push_back(&readers_[i].top().report());
  std::exchange(on_reports_, nullptr)(reports);
}

bool TopRounds::all_ready() const noexcept {
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    if (!readers_[i].top().ready()) return false;
  }
  return true;
}

}  // namespace tcpeek::engine
