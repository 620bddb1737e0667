#include "engine/live/explain_collector.h"

#include <chrono>
#include <utility>

#include "engine/explain/explain.h"
#include "engine/pipeline/explain_totals.h"

namespace tcpeek::engine {

void ExplainCollector::collect(Receiver receiver) {
  receiver_ = std::move(receiver);
  snapshots_.collect([this](const ipc::Snapshot& snapshot) {
    gathering_.emplace(ExplainGathering::Standing{.local_is_own = local_is_own_});
    add_totals(gathering_->input(), snapshot);
    rounds_.take_turn([this] { ask(); });
  });
}

void ExplainCollector::ask() {
  rounds_.ask(gathering_->query(), [this](TopReports readers) { on_reports(readers); });
}

void ExplainCollector::on_reports(TopReports readers) {
  if (gathering_->on_reports(readers)) return ask();
  finish();
}

void ExplainCollector::finish() {
  const ExplainInput input = std::move(*gathering_).take(std::chrono::system_clock::now());
  gathering_.reset();
  rounds_.done();
  std::exchange(receiver_, nullptr)(explain(input));
}

}  // namespace tcpeek::engine
