// All readers of a replay and their threads, as one object.
//
// Every block of packets is given to all readers in parallel, each tracking the connections it owns, so
// no count depends on the number of readers.
//
// Thread contract: used by the main thread, which is the first of the team; the other threads run only
// inside the calls below.
// Errors: the constructor throws std::system_error or std::bad_alloc.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/thread_team.h"
#include "engine/explain/explain_input.h"
#include "engine/pipeline/snapshot_builder.h"
#include "engine/replay/replay_reader.h"

namespace tcpeek::engine {

class ReplayReaders {
 public:
  // One reader for each config.
  ReplayReaders(std::span<const ReplayConfig> configs, const FilterRegistry& filters,
                const Locality& locality);

  // task(i) on the thread of reader i, for all of them; what one throws is thrown here.
  void on_each_thread(const std::function<void(unsigned)>& task);

  // The best number of packets to process at once.
  [[nodiscard]] std::size_t block_packets() const noexcept;
  void take(std::span<const ring::SavedPacket> packets,
            std::span<const ReplayInterface> interfaces);

  // Ends what has timed out by `now`, in parts whose outcomes fit the queues; `after_part` empties them.
  void sweep(flowtable::PacketTime now, const std::function<void()>& after_part);
  // The files end: what waits for more segments is decided, what is pending still is shown.
  void finish(flowtable::PacketTime now, const std::function<void()>& after_part);

  [[nodiscard]] std::size_t size() const noexcept { return readers_.size(); }
  [[nodiscard]] std::uint64_t capacity_each() const noexcept;
  [[nodiscard]] std::uint64_t capacity() const noexcept { return size() * capacity_each(); }
  [[nodiscard]] std::uint64_t pending() const noexcept;
  [[nodiscard]] std::span<OutcomeQueue* const> outcomes() const noexcept { return outcomes_; }
  // What EXPLAIN reasons from, but for the totals.
  [[nodiscard]] std::vector<const TopReport*> answer(const TopQuery& query,
                                                     flowtable::PacketTime now);
  [[nodiscard]] ExplainInput explain_input(flowtable::PacketTime now,
                                           std::chrono::system_clock::time_point taken);
  // The counts of all readers, for files that gave `packets` packets each; valid until the next call.
  [[nodiscard]] std::vector<ReaderView> views(std::span<const std::uint64_t> packets);

 private:
  // task(reader, groups) for all readers, part by part of their tables.
  void in_parts(const std::function<void()>& after_part,
                const std::function<void(ReplayReader&, std::size_t)>& task);

  std::vector<std::unique_ptr<ReplayReader>> readers_;
  std::vector<OutcomeQueue*> outcomes_;  // the readers'
  std::vector<ReaderReport> reports_;    // for views()
  ThreadTeam team_;
};

}  // namespace tcpeek::engine
