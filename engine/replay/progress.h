// How far a replay has got, on the last line of a terminal: shown once it takes longer than a second,
// wiped before anything else is written there.
//
// Thread contract: used by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/output/line_writer.h"

namespace tcpeek::engine {

// Bytes read, of how many (where known), and packets so far, since the start.
[[nodiscard]] std::string progress_text(std::uint64_t bytes, std::optional<std::uint64_t> total,
                                        std::uint64_t packets, std::chrono::nanoseconds elapsed);

class Progress {
 public:
  explicit Progress(LineWriter& writer);

  // Whether update() would show anything now; if not, its arguments need not be computed.
  [[nodiscard]] bool due() const noexcept { return writer_.terminal() && Clock::now() >= next_; }
  void update(std::uint64_t bytes, std::optional<std::uint64_t> total, std::uint64_t packets);
  void wipe() noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  LineWriter& writer_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_;
  bool shown_ = false;
};

}  // namespace tcpeek::engine
