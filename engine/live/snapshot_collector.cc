#include "engine/live/snapshot_collector.h"

#include <algorithm>

namespace tcpeek::engine {
namespace {

// Reports that do not add up for longer are shown as they are rather than not at all.
constexpr int kMostRounds = 20;

}  // namespace

SnapshotCollector::SnapshotCollector(ipc::Reactor& reactor, const EventFd& report_ready,
                                     std::span<const std::unique_ptr<Reader>> readers, Frame frame)
    : report_ready_(report_ready), readers_(readers), frame_(std::move(frame)) {
  reactor.on_readable(report_ready.descriptor(), [this] { on_report(); });
}

void SnapshotCollector::collect(Receiver receiver) {
  waiting_.push_back(std::move(receiver));
  if (asked_.empty()) ask();
}

void SnapshotCollector::ask() {
  asked_ = std::exchange(waiting_, {});
  rounds_ = 0;
  for (const auto& reader : readers_) reader->request_report();
}

void SnapshotCollector::on_report() {
  report_ready_.clear();
  if (asked_.empty()) return;
  const bool all = std::all_of(readers_.begin(), readers_.end(),
                               [](const auto& reader) { return reader->report_ready(); });
  if (!all) return;
  const std::vector<ReaderView> readers = views();
  if (!mail_adds_up(readers) && ++rounds_ < kMostRounds) {
    for (const auto& reader : readers_) reader->request_report();
    return;
  }
  const ipc::Snapshot snapshot = build_snapshot(frame_(), readers);
  for (const Receiver& receiver : std::exchange(asked_, {})) receiver(snapshot);
  if (!waiting_.empty() && asked_.empty()) ask();
}

std::vector<ReaderView> SnapshotCollector::views() const {
  std::vector<ReaderView> readers;
  for (const auto& reader : readers_) {
    readers.push_back({.report = &reader->report(),
                       .id = reader->id(),
                       .cpu = reader->cpu() ? static_cast<int>(*reader->cpu()) : -1,
                       .mailbox_depth = reader->mailbox_depth(),
                       .event_queue_depth = reader->outcomes().size()});
  }
  return readers;
}

ipc::Snapshot SnapshotCollector::last() const {
  return build_snapshot(frame_(), views());
}

}  // namespace tcpeek::engine
