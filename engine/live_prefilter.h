// Whether the prefilter is used: what was asked for, what it knows, what the kernel allows.
//
// Thread contract: made by the main thread before privileges are dropped; then immutable.
// Errors: UsageError for options that it does not go with; std::runtime_error where it was asked for and
// the kernel refuses.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "engine/config/options.h"
#include "engine/live/interfaces.h"
#include "engine/output/log.h"
#include "ipc/snapshot.h"
#include "ring/capture_filter.h"
#include "ring/prefilter.h"

namespace tcpeek::engine {

class PrefilterChoice {
 public:
  PrefilterChoice(const Options& options, const ring::CaptureFilter& filter,
                  const Interfaces& interfaces, Log& log);

  // The program for such sockets, as capture_program() has them; -1 for none.
  [[nodiscard]] int program_for(ring::Access access, std::uint32_t loopback_index) const;

  [[nodiscard]] const ipc::PrefilterStats& stats() const noexcept { return stats_; }
  // For the first lines of a run; empty if it was not asked for.
  [[nodiscard]] std::string in_words() const;

 private:
  void load(const Options& options, const ring::CaptureFilter& filter, const Interfaces& interfaces,
            Log& log);

  const std::chrono::seconds lifetime_;
  std::optional<ring::Prefilter> prefilter_;
  ipc::PrefilterStats stats_;
};

}  // namespace tcpeek::engine
