// The tracker's observer: finds an attempt's filters at its first SYN, counts what became of it,
// and tells it to whoever listens.
//
// Thread contract: one reader's. Packet path: noexcept, allocates nothing.
#pragma once

#include <cstdint>

#include "engine/base/handover.h"
#include "engine/filters/filter_matcher.h"
#include "engine/filters/locality.h"
#include "engine/pipeline/outcome_queue.h"
#include "engine/pipeline/packet_timeline.h"
#include "engine/pipeline/reader_report.h"
#include "flowtable/attempt.h"
#include "flowtable/ending.h"

namespace tcpeek::engine {

class OutcomeCounter {
 public:
  OutcomeCounter(const FilterMatcher& matcher, Handover<const Locality>& locality,
                 OutcomeQueue& queue, const PacketTimeline& timeline);

  // The tracker's calls.
  void opened(flowtable::Attempt& attempt) noexcept;
  void ended(const flowtable::Attempt& attempt, const flowtable::Ending& ending) noexcept;
  void late_synack(const flowtable::Attempt& attempt) noexcept;

  [[nodiscard]] const OutcomeCounts& counts() const noexcept { return counts_; }

 private:
  // Calls fn(Counts&) for the totals and for each filter that the attempt counts in; true if any.
  template <class Fn>
  bool for_each_counts(const flowtable::Attempt& attempt, Fn&& fn) noexcept;
  void tell(const flowtable::Attempt& attempt, const flowtable::Ending& ending) noexcept;

  const FilterMatcher& matcher_;
  Handover<const Locality>& locality_;
  OutcomeQueue& queue_;
  const PacketTimeline& timeline_;
  OutcomeCounts counts_;
};

}  // namespace tcpeek::engine
