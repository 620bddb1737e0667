#include "engine/aggregator.h"

#include <algorithm>

namespace tcpeek::engine {
namespace {

// Reports that do not add up for longer are shown as they are rather than not at all.
constexpr int kMostRounds = 20;

}  // namespace

Aggregator::Aggregator(ipc::Reactor& reactor, const EventFd& report_ready,
                       std::span<const std::unique_ptr<Shard>> shards, Frame frame)
    : report_ready_(report_ready), shards_(shards), frame_(std::move(frame)) {
  reactor.on_readable(report_ready.descriptor(), [this] { on_report(); });
}

void Aggregator::collect(Receiver receiver) {
  waiting_.push_back(std::move(receiver));
  if (asked_.empty()) ask();
}

void Aggregator::ask() {
  asked_ = std::exchange(waiting_, {});
  rounds_ = 0;
  for (const auto& shard : shards_) shard->request_report();
}

void Aggregator::on_report() {
  report_ready_.clear();
  if (asked_.empty()) return;
  const bool all = std::all_of(shards_.begin(), shards_.end(),
                               [](const auto& shard) { return shard->report_ready(); });
  if (!all) return;
  const std::vector<ReaderView> readers = views();
  if (!mail_adds_up(readers) && ++rounds_ < kMostRounds) {
    for (const auto& shard : shards_) shard->request_report();
    return;
  }
  const ipc::Snapshot snapshot = build_snapshot(frame_(), readers);
  for (const Receiver& receiver : std::exchange(asked_, {})) receiver(snapshot);
  if (!waiting_.empty() && asked_.empty()) ask();
}

std::vector<ReaderView> Aggregator::views() const {
  std::vector<ReaderView> readers;
  for (const auto& shard : shards_) {
    readers.push_back({.report = &shard->report(),
                       .id = shard->id(),
                       .cpu = shard->cpu() ? static_cast<int>(*shard->cpu()) : -1,
                       .mailbox_depth = shard->mailbox_depth(),
                       .event_queue_depth = shard->outcomes().size()});
  }
  return readers;
}

ipc::Snapshot Aggregator::last() const {
  return build_snapshot(frame_(), views());
}

}  // namespace tcpeek::engine
