// Whether the prefilter is used: what was asked for, what it knows, what the kernel allows.
//
// Thread contract: made by the main thread before privileges are dropped; then immutable. What it is made of
// outlives it.
// Errors: UsageError for options that it does not go with; std::runtime_error where it was asked for and
// the kernel refuses.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "engine/config/options.h"
#include "engine/live/capture_sockets.h"
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

  // What the sockets of an interface are to let through. Throws ring::FilterSyntaxError and ring::FilterNotLive.
  [[nodiscard]] TargetFilter filter_for(const ring::CaptureTarget& target) const;

  [[nodiscard]] const ipc::PrefilterStats& stats() const noexcept { return stats_; }
  // For the first lines of a run; empty if it was not asked for.
  [[nodiscard]] std::string in_words() const;

 private:
  void load(PrefilterMode mode, Log& log);

  const ring::CaptureFilter& filter_;
  const Interfaces& interfaces_;
  const std::chrono::seconds lifetime_;
  std::optional<ring::Prefilter> prefilter_;
  ipc::PrefilterStats stats_;
};

}  // namespace tcpeek::engine
