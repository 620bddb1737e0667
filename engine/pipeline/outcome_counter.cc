#include "engine/pipeline/outcome_counter.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>

#include "engine/base/bits.h"

namespace tcpeek::engine {
namespace {

using flowtable::Attempt;
using flowtable::Cause;
using flowtable::Outcome;
using flowtable::Result;
using ipc::Tally;

Address to_address(const flowtable::Endpoint& end) noexcept {
  return {end.address};
}

Tally tally_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::none:
      return Tally::success;
    case Cause::refused:
      return Tally::refused;
    case Cause::aborted:
      return Tally::aborted;
    case Cause::no_answer:
      return Tally::timed_out_no_answer;
    case Cause::no_ack:
      return Tally::timed_out_no_ack;
    case Cause::unreachable:
      return Tally::unreachable;
    case Cause::evicted:
      return Tally::evicted;
    case Cause::pending:
      return Tally::pending;
  }
  __builtin_unreachable();
}

void count_duplicates(ipc::Counts& counts, const Attempt& attempt, bool success) noexcept {
  const auto& h = attempt.handshake;
  counts[success ? Tally::success_dup_syn : Tally::failure_dup_syn] += h.dup_syns != 0;
  counts[success ? Tally::success_dup_synack : Tally::failure_dup_synack] += h.dup_synacks != 0;
  counts[success ? Tally::success_dup_syn_segments : Tally::failure_dup_syn_segments] += h.dup_syns;
  counts[success ? Tally::success_dup_synack_segments : Tally::failure_dup_synack_segments] +=
      h.dup_synacks;
}

std::chrono::nanoseconds duration(const Attempt& attempt, const Outcome& outcome) noexcept {
  return std::max(outcome.at - attempt.first_syn, std::chrono::nanoseconds{0});
}

// Everything but duplicates and latency.
void count_outcome(ipc::Counts& counts, Tally tally, const Outcome& outcome) noexcept {
  --counts[Tally::pending];
  ++counts[tally];
  if (!outcome.uncertain && !outcome.half_seen && !outcome.late_proof) [[likely]]
    return;
  counts[Tally::uncertain] += outcome.uncertain;
  counts[Tally::half_seen] += outcome.half_seen;
  counts[Tally::late_proof] += outcome.late_proof;
}

}  // namespace

OutcomeCounter::OutcomeCounter(Handover<ReaderRules>& rules, OutcomeQueue& queue,
                               const PacketTimeline& timeline)
    : rules_(rules),
      queue_(queue),
      timeline_(timeline),
      generation_(rules.current().rules.generation()) {
  counts_.filters.resize(rules.current().counting.size());
  sets_.go_by(rules.current().rules);
}

void OutcomeCounter::pick_up_rules() noexcept {
  if (!rules_.waiting()) [[likely]]
    return;
  ReaderRules& next = rules_.pick_up();
  if (next.counting.size() > counts_.filters.size()) {
    std::ranges::copy(counts_.filters, next.counting.begin());
    counts_.filters.swap(next.counting);
  }
  if (next.reported.size() > report_room_.size()) report_room_.swap(next.reported);
  for (const Ruleset::CountedFilter& filter : next.rules.counted()) {
    if (filter.since > generation_) counts_.filters[filter.id] = {};
  }
  sets_.go_by(next.rules);
  generation_ = next.rules.generation();
}

void OutcomeCounter::report_to(OutcomeCounts& report) noexcept {
  counts_.filter_sets_overflowed = sets_.overflowed();
  if (report.filters.size() < counts_.filters.size()) report.filters.swap(report_room_);
  report = counts_;
}

template <class Fn>
bool OutcomeCounter::for_each_counts(FilterSets::Tag tag, Fn&& fn) noexcept {
  fn(counts_.totals);
  return sets_.for_each(tag, [&](FilterId filter) { fn(counts_.filters[filter]); });
}

// By the filters RX and TX, which always exist: their numbers are the first ones.
std::uint8_t OutcomeCounter::directions_of(FilterSets::Tag tag) const noexcept {
  return static_cast<std::uint8_t>(sets_.word(tag, 0) & 3);
}

void OutcomeCounter::opened(Attempt& attempt, std::uint16_t& service) noexcept {
  const Ruleset& rules = rules_.current().rules;
  const Address initiator = to_address(attempt.initiator_end());
  const flowtable::Endpoint responder_end = attempt.responder_end();
  const Address responder = to_address(responder_end);
  const auto [directions, own_responder] =
      rules.locality().sides(initiator, responder, attempt.interface());
  if (own_responder) attempt.set_own_responder();
  attempt.tag = Attempt::kTagMask &
                sets_.open(rules, rules.matcher().classify(initiator, responder, responder_end.port,
                                                           directions));
  const bool matched = for_each_counts(attempt.tag, [](ipc::Counts& counts) {
    ++counts[Tally::attempts];
    ++counts[Tally::pending];
  });
  if (directions == 0) {
    ++counts_.not_local;
  } else if (!matched) {
    ++counts_.excluded;
  }
  const bool excluded = directions != 0 && !matched;
  service = excluded ? TopTables::kUncounted : top_.opened(attempt, directions);
}

// What is the same for every filter is computed once, and rare cases are tested once.
void OutcomeCounter::ended(const Attempt& attempt, const Outcome& outcome,
                           std::uint16_t service) noexcept {
  const Tally tally = tally_of(outcome.cause);
  const bool success = outcome.result() == Result::success;
  const bool known = outcome.result() != Result::evicted;
  const bool repeated = known && (attempt.handshake.dup_syns | attempt.handshake.dup_synacks) != 0;
  const bool timed = success && !outcome.late_proof && !outcome.half_seen;
  const ipc::LatencyHistogram::Sample latency(
      std::chrono::duration_cast<std::chrono::microseconds>(duration(attempt, outcome)));
  const bool matched = for_each_counts(attempt.tag, [&](ipc::Counts& counts) {
    count_outcome(counts, tally, outcome);
    if (timed) counts.latency.add(latency);
    if (repeated) [[unlikely]]
      count_duplicates(counts, attempt, success);
  });
  if (matched && known && queue_.listening()) print(attempt, outcome);
  top_.ended(attempt, outcome, service, directions_of(attempt.tag),
             std::chrono::microseconds(latency.us));
  sets_.close(attempt.tag);
}

void OutcomeCounter::late_synack(const Attempt& attempt) noexcept {
  static_cast<void>(
      for_each_counts(attempt.tag, [](ipc::Counts& counts) { ++counts[Tally::late_synack]; }));
}

void OutcomeCounter::show_pending(const Attempt& attempt, flowtable::PacketTime now) noexcept {
  const bool matched = sets_.summary(attempt.tag) != 0;
  if (matched && queue_.listening())
    print(attempt, {.cause = flowtable::Cause::pending, .at = now});
}

void OutcomeCounter::print(const Attempt& attempt, const Outcome& outcome) noexcept {
  const std::uint64_t summary = sets_.summary(attempt.tag);
  const OutcomeRecord record{
      .initiator = attempt.initiator_end(),
      .responder = attempt.responder_end(),
      .first_syn = timeline_.wall(attempt.first_syn),
      .duration = duration(attempt, outcome),
      .outcome = outcome,
      .filters = sets_.word(attempt.tag, 0),
      .dup_syns = attempt.handshake.dup_syns,
      .dup_synacks = attempt.handshake.dup_synacks,
      .interface = attempt.interface(),
  };
  std::array<FilterWord, kFilterWords> words;
  std::size_t count = 0;
  for_each_bit(summary & ~std::uint64_t{1}, [&](std::size_t word) {
    words[count++] = {sets_.word(attempt.tag, word), static_cast<std::uint16_t>(word)};
  });
  counts_.events_lost += !queue_.push(record, std::span(words).first(count));
}

}  // namespace tcpeek::engine
