// All readers of a replay and the threads that they run on, as one thing.
//
// Every block of packets is shown to all readers side by side, each tracking the connections it owns; so
// no count depends on how many there are.
//
// Thread contract: the main thread's, which is the first of the team; the others run inside the calls
// below only.
// Errors: the constructor throws std::system_error or std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/base/thread_team.h"
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

  // As many packets as are best shown at once.
  [[nodiscard]] std::size_t block_packets() const noexcept;
  void take(std::span<const ring::SavedPacket> packets,
            std::span<const ReplayInterface> interfaces);

  // Ends what has timed out by `now`, in parts whose outcomes fit the queues; `after_part` empties those.
  void sweep(flowtable::PacketTime now, const std::function<void()>& after_part);

  [[nodiscard]] std::size_t size() const noexcept { return readers_.size(); }
  [[nodiscard]] std::uint64_t capacity_each() const noexcept;
  [[nodiscard]] std::uint64_t capacity() const noexcept { return size() * capacity_each(); }
  [[nodiscard]] std::uint64_t pending() const noexcept;
  [[nodiscard]] std::span<OutcomeQueue* const> outcomes() const noexcept { return outcomes_; }
  // What all of them have counted, of files with so many packets each; valid until the next call.
  [[nodiscard]] std::vector<ReaderView> views(std::span<const std::uint64_t> packets);

 private:
  std::vector<std::unique_ptr<ReplayReader>> readers_;
  std::vector<OutcomeQueue*> outcomes_;  // theirs
  std::vector<ReaderReport> reports_;    // for views()
  ThreadTeam team_;
};

}  // namespace tcpeek::engine
