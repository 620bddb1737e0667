// How much of its table a reader sweeps, and when: all of it once a second, in slices that it chooses.
//
// Thread contract: a plain value, used by one thread.
// Invariant: one round is due at most, however long ago the last slice was swept.
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

  // For a table of `groups` groups.
  [[nodiscard]] std::size_t due(flowtable::PacketTime now, std::size_t groups) noexcept {
    // First, because the product below has room for one round, not for a reader stopped over a weekend.
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
