// How much of its table a reader sweeps when: once round it each second, in slices that it chooses.
//
// Thread contract: a plain value, of one thread.
// Invariant: what is due is one round at most, however long nobody looked.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "flowtable/time.h"

namespace tcpeek::engine {

class SweepPace {
 public:
  static constexpr std::chrono::nanoseconds kRound = std::chrono::seconds(1);

  explicit SweepPace(flowtable::PacketTime start = {}) noexcept : swept_at_(start) {}

  // Of so many groups.
  [[nodiscard]] std::size_t due(flowtable::PacketTime now, std::size_t groups) noexcept {
    // First of all: the product below has room for a round, not for a weekend in which the reader was
    // stopped.
    swept_at_ = std::max(swept_at_, now - kRound);
    const auto since = std::max(now - swept_at_, flowtable::PacketTime::duration::zero());
    return static_cast<std::size_t>(static_cast<std::int64_t>(groups) * since / kRound);
  }

  // What was not swept of it stays due.
  void swept(std::size_t slice, std::size_t groups) noexcept {
    swept_at_ += static_cast<std::int64_t>(slice) * kRound / static_cast<std::int64_t>(groups);
  }

 private:
  flowtable::PacketTime swept_at_;
};

}  // namespace tcpeek::engine
