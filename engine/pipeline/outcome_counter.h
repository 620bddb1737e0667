// The tracker's observer: finds an attempt's filters at its first SYN, counts what became of it,
// and passes outcomes on to be printed.
//
// Thread contract: one reader's. Packet path: noexcept, allocates nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/handover.h"
#include "engine/pipeline/filter_sets.h"
#include "engine/pipeline/outcome_queue.h"
#include "engine/pipeline/packet_timeline.h"
#include "engine/pipeline/reader_report.h"
#include "engine/pipeline/reader_rules.h"
#include "flowtable/attempt.h"
#include "flowtable/outcome.h"

namespace tcpeek::engine {

class OutcomeCounter {
 public:
  OutcomeCounter(Handover<ReaderRules>& rules, OutcomeQueue& queue, const PacketTimeline& timeline);

  // The tracker's calls.
  void opened(flowtable::Attempt& attempt) noexcept;
  void ended(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome) noexcept;
  void late_synack(const flowtable::Attempt& attempt) noexcept;

  // Goes by the rules offered, if there are new ones; attempts begun before end where they began.
  void pick_up_rules() noexcept;

  [[nodiscard]] const OutcomeCounts& counts() const noexcept { return counts_; }
  // Copies the counts without allocating, whatever filters came since the last time.
  void report_to(OutcomeCounts& report) noexcept;
  // Of the filters it goes by.
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }

 private:
  // Calls fn(Counts&) for the totals and for each filter that the attempt counts in; true if any.
  template <class Fn>
  bool for_each_counts(FilterSets::Tag tag, Fn&& fn) noexcept;
  void print(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome) noexcept;

  Handover<ReaderRules>& rules_;
  OutcomeQueue& queue_;
  const PacketTimeline& timeline_;
  FilterSets sets_;
  OutcomeCounts counts_;
  std::vector<ipc::Counts> report_room_;  // for the next report, when filters came
  std::uint32_t generation_ = 0;
};

}  // namespace tcpeek::engine
