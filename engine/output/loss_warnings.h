// Warnings of losses: how much was lost, and which option helps. Each kind is reported at once, then at
// most once a minute, so that a flood that lasts for days does not fill the journal. Packets passed over
// are reported once: there will be more.
//
// Thread contract: used by one thread.
// Units: MiB, attempts, packets.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/journal.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

// Says that encapsulated TCP was passed over, if any was.
[[nodiscard]] std::optional<std::string> tunnel_warning(const ipc::Snapshot& snapshot);

struct LossWarning {
  std::string text;
  JournalEntry entry;
};

class LossWarnings {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::minutes kInterval{1};

  // What is in use now, as the advice quotes it.
  struct InUse {
    unsigned ring_mib = 0;  // of each reader and interface
    std::size_t readers = 0;
  };

  explicit LossWarnings(InUse in_use) : in_use_(in_use) {}

  // The warnings that are due.
  [[nodiscard]] std::vector<LossWarning> warnings(const ipc::Snapshot& snapshot,
                                                  Clock::time_point now);

 private:
  // How much of one kind has been reported, and when.
  struct Loss {
    std::uint64_t reported = 0;
    Clock::time_point reported_at;
  };

  // What was lost since the last report; 0 if none is due.
  [[nodiscard]] static std::uint64_t due(Loss& loss, std::uint64_t lost,
                                         Clock::time_point now) noexcept;

  InUse in_use_;
  Loss dropped_;
  Loss evicted_;
  Loss mail_;
  Loss events_;
  bool tunnels_reported_ = false;
};

}  // namespace tcpeek::engine
