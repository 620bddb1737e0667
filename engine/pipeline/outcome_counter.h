// The tracker's observer: finds an attempt's filters at its first SYN, counts its outcome, and queues
// outcomes to be printed.
//
// Thread contract: used by one reader. Packet path: noexcept, allocates nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/base/handover.h"
#include "engine/pipeline/filter_sets.h"
#include "engine/pipeline/outcome_queue.h"
#include "engine/pipeline/packet_timeline.h"
#include "engine/pipeline/reader_report.h"
#include "engine/pipeline/reader_rules.h"
#include "engine/pipeline/top_tables.h"
#include "flowtable/attempt.h"
#include "flowtable/outcome.h"

namespace tcpeek::engine {

class OutcomeCounter {
 public:
  OutcomeCounter(Handover<ReaderRules>& rules, OutcomeQueue& queue, const PacketTimeline& timeline);

  // Called by the tracker.
  void opened(flowtable::Attempt& attempt, std::uint16_t& service) noexcept;
  void ended(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
             std::uint16_t service) noexcept;
  void late_synack(const flowtable::Attempt& attempt) noexcept;
  void retrying(const flowtable::Attempt& attempt, std::uint16_t service) noexcept;

  // Shows an attempt that is pending still where a capture file ends; counts nothing.
  void show_pending(const flowtable::Attempt& attempt, flowtable::PacketTime now) noexcept;

  // Switches to the rules offered, if any; older attempts end under the rules they began under.
  void pick_up_rules() noexcept;

  [[nodiscard]] const OutcomeCounts& counts() const noexcept { return counts_; }
  // Copies the counts; allocates nothing, even if filters were added since the last report.
  void report_to(OutcomeCounts& report) noexcept;
  [[nodiscard]] TopTables& top() noexcept { return top_; }
  // Of the rules in use.
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }

 private:
  void count(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
             std::chrono::microseconds lasted) noexcept;
  void count_success(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
                     std::chrono::microseconds lasted) noexcept;
  void count_failure(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome) noexcept;
  void count_pattern(FilterSets::Tag tag, Pattern pattern) noexcept;
  void count_evicted(const flowtable::Attempt& attempt) noexcept;

  // Calls fn(Counts&) for the totals and for each filter that the attempt counts in; true if any.
  template <class Fn>
  bool for_each_counts(FilterSets::Tag tag, Fn&& fn) noexcept;
  [[nodiscard]] std::uint8_t directions_of(FilterSets::Tag tag) const noexcept;
  void print(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome) noexcept;

  Handover<ReaderRules>& rules_;
  OutcomeQueue& queue_;
  const PacketTimeline& timeline_;
  FilterSets sets_;
  TopTables top_;
  OutcomeCounts counts_;
  std::vector<ipc::Counts> report_room_;  // for the next report, when filters were added
  std::uint32_t generation_ = 0;
};

}  // namespace tcpeek::engine
