// What there is to say when more comes than can be taken: what was lost, and which option helps. Of each
// kind once a minute at most, so that a flood of days does not fill a journal.
//
// Thread contract: one thread's.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/sizing.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

class LossWarnings {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::minutes kInterval{1};

  explicit LossWarnings(const Sizing& sizing) : sizing_(sizing) {}

  // The warnings that are due.
  [[nodiscard]] std::vector<std::string> warnings(const ipc::Snapshot& snapshot,
                                                  Clock::time_point now);

 private:
  // How much of one kind was lost, and what of it was told when.
  struct Loss {
    std::uint64_t told = 0;
    Clock::time_point told_at;
  };

  // What came since it was last told; 0 if there is nothing to tell now.
  [[nodiscard]] static std::uint64_t due(Loss& loss, std::uint64_t lost,
                                         Clock::time_point now) noexcept;

  const Sizing& sizing_;
  Loss dropped_;
  Loss evicted_;
  Loss mail_;
  Loss events_;
};

}  // namespace tcpeek::engine
