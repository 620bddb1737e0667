// The tracker's observer: finds an attempt's filters at its first SYN, counts its outcome, and queues
// outcomes to be printed.
//
// How it works: every attempt has a side, which of its ends are local. RX, TX and the totals are sums of
// sides, made for a report, so an attempt without a named filter is counted in one place, not in three.
//
// Thread contract: used by one reader. Packet path: noexcept, allocates nothing.
#pragma once

#include <array>
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
  OutcomeCounter(Handover<ReaderRules>& rules, OutcomeQueue& queue, const PacketTimeline& timeline,
                 TopTables::Recent recent = TopTables::Recent::two_windows);

  // Called by the tracker.
  void opened(flowtable::Attempt& attempt, std::uint16_t& service) noexcept;
  void ended(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
             std::uint16_t service) noexcept;
  void late_synack(const flowtable::Attempt& attempt) noexcept;
  void retrying(const flowtable::Attempt& attempt, std::uint16_t service) noexcept;
  void answered_again(const flowtable::Attempt& /*attempt*/, std::uint16_t service) noexcept {
    top_.answered_again(service);
  }
  void sent_again(const flowtable::Attempt& attempt, flowtable::Event event,
                  std::uint16_t service) noexcept;

  // Shows an attempt that is pending still where a capture file ends; counts nothing.
  void show_pending(const flowtable::Attempt& attempt, flowtable::PacketTime now) noexcept;

  // It counts somewhere: some filter matches it.
  [[nodiscard]] bool counts(const flowtable::Attempt& attempt) const noexcept {
    return sets_.summary(attempt.tag) != 0;
  }

  // Switches to the rules offered, if any; older attempts end under the rules they began under.
  void pick_up_rules() noexcept;

  // Allocates, for tests and files. Errors: std::bad_alloc.
  [[nodiscard]] OutcomeCounts counts() const;
  // Brings a report up to date that counts() or this made. Allocates nothing, even if filters were added since
  // the last one. Copies only filters that counted something: histograms are large.
  void report_to(OutcomeCounts& report) noexcept;
  [[nodiscard]] TopTables& top() noexcept { return top_; }
  // All that it was ever told of, wherever they count.
  [[nodiscard]] std::uint64_t attempts() const noexcept;
  // Of the rules in use.
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }

 private:
  // The filters RX and TX, the totals, and what is counted beside.
  void write_sums(OutcomeCounts& report) const noexcept;
  void count_plain_success(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
                           std::uint16_t service, std::chrono::microseconds lasted) noexcept;
  void count(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
             std::chrono::microseconds lasted) noexcept;
  void count_success(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome,
                     std::chrono::microseconds lasted) noexcept;
  void count_failure(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome) noexcept;
  void count_pattern(FilterSets::Tag tag, Pattern pattern) noexcept;
  void count_evicted(const flowtable::Attempt& attempt) noexcept;
  [[gnu::cold]] void opened_repeated(const flowtable::Attempt& attempt,
                                     std::uint16_t service) noexcept;
  void count_sent_again(const flowtable::Attempt& attempt, std::uint16_t service, unsigned syns,
                        unsigned synacks) noexcept;

  // Calls fn(Counts&) for the attempt's side and for each named filter that it counts in; true if it counts
  // in any filter.
  template <class Fn>
  bool for_each_counts(FilterSets::Tag tag, Fn&& fn) noexcept;
  [[nodiscard]] std::uint8_t directions_of(FilterSets::Tag tag) const noexcept;
  void print(const flowtable::Attempt& attempt, const flowtable::Outcome& outcome) noexcept;

  Handover<ReaderRules>& rules_;
  OutcomeQueue& queue_;
  const PacketTimeline& timeline_;
  FilterSets sets_;
  TopTables top_;
  // By the bits of Direction; 0 has the excluded ones as well.
  std::array<ipc::Counts, 4> sides_;
  std::vector<ipc::Counts> named_;  // by filter number; those of RX and TX stay empty
  std::uint64_t excluded_ = 0;
  std::uint64_t not_local_ = 0;
  std::uint64_t events_lost_ = 0;
  std::vector<ipc::Counts> report_room_;  // for the next report, when filters were added
  bool counts_anew_ = false;              // some filter does, since the last report
  std::uint32_t generation_ = 0;
};

}  // namespace tcpeek::engine
