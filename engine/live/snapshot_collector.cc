#include "engine/live/snapshot_collector.h"

#include <chrono>
#include <utility>

namespace tcpeek::engine {
namespace {

// Reports that do not add up for longer are shown as they are rather than not at all.
constexpr int kMostRounds = 20;

std::chrono::system_clock::time_point to_time(std::chrono::nanoseconds wall) {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(wall));
}

}  // namespace

SnapshotCollector::SnapshotCollector(ipc::Reactor& reactor, Readers& readers,
                                     const FilterRegistry& filters, const Interfaces& interfaces,
                                     const ClockReading& start)
    : readers_(readers),
      filters_(filters),
      interfaces_(interfaces),
      started_(to_time(start.wall)),
      timeline_(start) {
  reactor.on_readable(readers.report_descriptor(), [this] { on_report(); });
}

void SnapshotCollector::collect(Receiver receiver) {
  waiting_.push_back(std::move(receiver));
  if (asked_.empty()) ask();
}

void SnapshotCollector::collect_changes(Receiver receiver) {
  if (!asked_.empty()) return waiting_.push_back(std::move(receiver));
  asked_.push_back(std::move(receiver));
  rounds_ = 0;
  if (readers_.request_reports(Readers::Ask::changed) == 0) finish();
}

void SnapshotCollector::ask() {
  asked_ = std::exchange(waiting_, {});
  rounds_ = 0;
  readers_.request_reports();
}

void SnapshotCollector::on_report() {
  const bool ready = readers_.reports_ready();
  if (!asked_.empty() && ready) finish();
}

// Precondition: all reports are ready.
void SnapshotCollector::finish() {
  const std::vector<ReaderView> views = readers_.views();
  if (!mail_adds_up(views) && ++rounds_ < kMostRounds) {
    readers_.request_reports();
    return;
  }
  const ipc::Snapshot snapshot = make(views);
  for (const Receiver& receiver : std::exchange(asked_, {})) receiver(snapshot);
  if (!waiting_.empty() && asked_.empty()) ask();
}

ipc::Snapshot SnapshotCollector::make(std::span<const ReaderView> readers) {
  const ipc::UptimeClock now = timeline_.at(read_clocks());
  SnapshotFrame frame;
  frame.started = started_;
  frame.taken = now.taken;
  frame.uptime = now.uptime;
  frame.interfaces = interfaces_.stats();
  if (server_ != nullptr) frame.server = server_->stats();
  for (const LineWriter* writer : writers_) frame.server.lines_lost += writer->lost();
  ipc::Snapshot snapshot = build_snapshot(std::move(frame), filters_, readers);
  if (http_ != nullptr) snapshot.http = http_->stats();
  annotate_(snapshot);
  return snapshot;
}

ipc::Snapshot SnapshotCollector::last() {
  return make(readers_.views());
}

}  // namespace tcpeek::engine
