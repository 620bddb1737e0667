#include "engine/replay/replay_readers.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "engine/pipeline/explain_gathering.h"

namespace tcpeek::engine {
namespace {

// Small enough to stay in the cache.
constexpr std::size_t kBlockPackets = 4096;
// Larger where several readers have to wait for each other.
constexpr std::size_t kBlockPacketsOfMany = 16'384;
// Attempts whose outcomes fit the queues.
constexpr std::size_t kSweepGroups =
    OutcomeQueue::kCapacity / flowtable::AttemptTable::kGroupSlots / 2;

}  // namespace

ReplayReaders::ReplayReaders(std::span<const ReplayConfig> configs, const FilterRegistry& filters,
                             const Locality& locality)
    : team_(static_cast<unsigned>(configs.size())) {
  for (const ReplayConfig& config : configs) {
    readers_.push_back(std::make_unique<ReplayReader>(config, filters, locality));
    outcomes_.push_back(&readers_.back()->outcomes());
  }
}

void ReplayReaders::on_each_thread(const std::function<void(unsigned)>& task) {
  std::vector<std::exception_ptr> thrown(readers_.size());
  team_.run([&](unsigned i) {
    try {
      task(i);
    } catch (...) {
      thrown[i] = std::current_exception();
    }
  });
  for (const std::exception_ptr& one : thrown) {
    if (one) std::rethrow_exception(one);
  }
}

std::size_t ReplayReaders::block_packets() const noexcept {
  return readers_.size() == 1 ? kBlockPackets : kBlockPacketsOfMany;
}

void ReplayReaders::take(std::span<const ring::SavedPacket> packets,
                         std::span<const ReplayInterface> interfaces) {
  team_.run([&](unsigned i) { readers_[i]->take(packets, interfaces); });
}

void ReplayReaders::sweep(flowtable::PacketTime now, const std::function<void()>& after_part) {
  in_parts(after_part, [now](ReplayReader& reader, std::size_t part) { reader.sweep(now, part); });
}

void ReplayReaders::finish(flowtable::PacketTime now, const std::function<void()>& after_part) {
  in_parts(after_part, [now](ReplayReader& reader, std::size_t part) { reader.finish(now, part); });
}

void ReplayReaders::in_parts(const std::function<void()>& after_part,
                             const std::function<void(ReplayReader&, std::size_t)>& task) {
  const std::size_t groups = readers_.front()->table().group_count();
  for (std::size_t done = 0; done < groups; done += kSweepGroups) {
    const std::size_t part = std::min(kSweepGroups, groups - done);
    team_.run([&](unsigned i) { task(*readers_[i], part); });
    after_part();
  }
}

std::uint64_t ReplayReaders::capacity_each() const noexcept {
  return readers_.front()->table().capacity();
}

std::uint64_t ReplayReaders::pending() const noexcept {
  std::uint64_t pending = 0;
  for (const auto& reader : readers_) pending += reader->table().pending();
  return pending;
}

std::vector<const TopReport*> ReplayReaders::answer(const TopQuery& query,
                                                    flowtable::PacketTime now) {
  std::vector<const TopReport*> reports;
  for (const auto& reader : readers_) reports.push_back(&reader->answer(query, now));
  return reports;
}

ExplainInput ReplayReaders::explain_input(flowtable::PacketTime now,
                                          std::chrono::system_clock::time_point taken) {
  ExplainGathering gathering({.whole_file = true, .local_is_own = false});
  while (gathering.on_reports(answer(gathering.query(), now))) {
  }
  ExplainInput input = std::move(gathering).take(taken);
  PendingAttempts pending;
  for (const auto& reader : readers_) pending.add(reader->pending_attempts());
  input.pending_attempts = pending.named();
  return input;
}

// Packets belong to no reader until they are read: those of each file are in the first report.
std::vector<ReaderView> ReplayReaders::views(std::span<const std::uint64_t> packets) {
  reports_.clear();
  for (const auto& reader : readers_) reports_.push_back(reader->report());
  for (const std::uint64_t count : packets) reports_.front().sockets.push_back({.seen = count});
  std::vector<ReaderView> views;
  for (std::size_t i = 0; i < reports_.size(); ++i) {
    views.push_back({.report = &reports_[i], .id = static_cast<unsigned>(i)});
  }
  return views;
}

}  // namespace tcpeek::engine
