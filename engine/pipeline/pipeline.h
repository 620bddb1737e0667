// Takes a frame in memory: decodes it, tracks segments in batches, counts. The same for a ring and for a
// capture file, so that both give the same counts.
//
// How to use it: decode() a frame; if it holds a segment that is ours, keep() it. A full batch is
// tracked at once, track() tracks a partial one; nothing is tracked out of order.
//
// Thread contract: used by one reader. After construction nothing here allocates, locks or throws.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "engine/pipeline/outcome_counter.h"
#include "flowtable/decode.h"
#include "flowtable/tracker.h"

namespace tcpeek::engine {

class Pipeline {
 public:
  using Tracker = flowtable::Tracker<OutcomeCounter>;

  // `counter` outlives the pipeline.
  Pipeline(const flowtable::TrackerConfig& config, const flowtable::DecodeRules& rules,
           OutcomeCounter& counter)
      : rules_(rules), tracker_(config, counter) {}

  // The segment that `frame` holds, valid until the next call; without one the reason is counted.
  [[nodiscard]] const flowtable::Segment* decode(flowtable::LinkFraming link,
                                                 const flowtable::Frame& frame) noexcept {
    const auto reason = flowtable::decode(link, rules_, frame, batch_[batched_]);
    if (!reason) return &batch_[batched_];
    undecoded_.add(*reason);
    return nullptr;
  }

  void keep() noexcept {
    if (++batched_ == batch_.size()) track();
  }

  void track() noexcept {
    tracker_.on_segments(std::span(batch_).first(batched_));
    batched_ = 0;
  }

  // Adds the next segment to be tracked, after those already kept.
  void track(const flowtable::Segment& segment) noexcept {
    track();
    tracker_.on_segment(segment);
  }

  [[nodiscard]] Tracker& tracker() noexcept { return tracker_; }
  [[nodiscard]] const Tracker& tracker() const noexcept { return tracker_; }
  [[nodiscard]] const flowtable::IgnoredCounts& undecoded() const noexcept { return undecoded_; }

 private:
  flowtable::DecodeRules rules_;
  std::array<flowtable::Segment, Tracker::kBatch> batch_;
  std::size_t batched_ = 0;
  flowtable::IgnoredCounts undecoded_;
  Tracker tracker_;
};

}  // namespace tcpeek::engine
