#include "engine/pipeline/outcome_counter.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

#include "engine/base/bits.h"
#include "engine/pipeline/tally_of.h"

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

bool was_repeated(const Attempt& attempt) noexcept {
  return (attempt.handshake.dup_syns | attempt.handshake.dup_synacks) != 0;
}

void stop_retrying(ipc::Counts& counts, const Attempt& attempt) noexcept {
  --counts[Tally::retrying];
  counts[Tally::retrying_syns] -= repeated_while_pending(attempt.handshake.dup_syns);
  counts[Tally::retrying_synacks] -= repeated_while_pending(attempt.handshake.dup_synacks);
}

// Of an attempt that counted as retrying until now.
void count_duplicates(ipc::Counts& counts, const Attempt& attempt, bool success) noexcept {
  const auto& h = attempt.handshake;
  counts[success ? Tally::success_dup_syn : Tally::failure_dup_syn] += h.dup_syns != 0;
  counts[success ? Tally::success_dup_synack : Tally::failure_dup_synack] += h.dup_synacks != 0;
  counts[success ? Tally::success_dup_syn_segments : Tally::failure_dup_syn_segments] += h.dup_syns;
  counts[success ? Tally::success_dup_synack_segments : Tally::failure_dup_synack_segments] +=
      h.dup_synacks;
  if (success && h.dup_syns != 0) ++counts[tally_of_syn(h.dup_syns)];
  stop_retrying(counts, attempt);
}

// What only failures have.
void count_details(ipc::Counts& counts, const Outcome& outcome) noexcept {
  if (outcome.cause == Cause::unreachable) ++counts[tally_of(outcome.error)];
  if (outcome.rst_sender == flowtable::RstSender::suspect) ++counts[Tally::rst_suspect];
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
                               const PacketTimeline& timeline, TopTables::Recent recent)
    : rules_(rules),
      queue_(queue),
      timeline_(timeline),
      top_(recent),
      generation_(rules.current().rules.generation()) {
  named_.resize(rules.current().counting.size());
  sets_.go_by(rules.current().rules);
}

void OutcomeCounter::pick_up_rules() noexcept {
  if (!rules_.waiting()) [[likely]]
    return;
  ReaderRules& next = rules_.pick_up();
  if (next.counting.size() > named_.size()) {
    std::ranges::copy(named_, next.counting.begin());
    named_.swap(next.counting);
  }
  if (next.reported.size() > report_room_.size()) report_room_.swap(next.reported);
  for (const Ruleset::CountedFilter& filter : next.rules.counted()) {
    if (filter.since <= generation_) continue;
    named_[filter.id] = {};
    counts_anew_ = true;
  }
  sets_.go_by(next.rules);
  generation_ = next.rules.generation();
}

OutcomeCounts OutcomeCounter::counts() const {
  OutcomeCounts counts;
  counts.filters = named_;
  write_sums(counts);
  return counts;
}

void OutcomeCounter::report_to(OutcomeCounts& report) noexcept {
  if (report.filters.size() < named_.size()) report.filters.swap(report_room_);
  assert(report.filters.size() >= named_.size());
  const bool all = std::exchange(counts_anew_, false);
  for (std::size_t i = 0; i < named_.size(); ++i) {
    // Whatever is counted changes a tally.
    if (all || report.filters[i].values != named_[i].values) report.filters[i] = named_[i];
  }
  write_sums(report);
}

void OutcomeCounter::write_sums(OutcomeCounts& report) const noexcept {
  const auto& [neither, received, sent, both] = sides_;
  ipc::Counts& rx = report.filters[kRxFilterId];
  ipc::Counts& tx = report.filters[kTxFilterId];
  rx = received;
  rx += both;
  tx = sent;
  report.totals = rx;
  report.totals += tx;
  report.totals += neither;
  tx += both;
  report.excluded = excluded_;
  report.not_local = not_local_;
  report.events_lost = events_lost_;
  report.filter_sets_overflowed = sets_.overflowed();
}

template <class Fn>
bool OutcomeCounter::for_each_counts(FilterSets::Tag tag, Fn&& fn) noexcept {
  fn(sides_[directions_of(tag)]);
  return sets_.for_each_named(tag, [&](FilterId filter) { fn(named_[filter]); });
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
  const bool matched = for_each_counts(attempt.tag, [&](ipc::Counts& counts) {
    ++counts[Tally::attempts];
    ++counts[Tally::pending];
  });
  if (directions == 0) {
    ++not_local_;
  } else if (!matched) {
    ++excluded_;
  }
  const bool excluded = directions != 0 && !matched;
  service = excluded ? TopTables::kUncounted : top_.opened(attempt, directions);
  if (was_repeated(attempt)) [[unlikely]]
    opened_repeated(attempt, service);
}

std::uint64_t OutcomeCounter::attempts() const noexcept {
  std::uint64_t sum = 0;
  for (const ipc::Counts& side : sides_) sum += side[Tally::attempts];
  return sum;
}

// A candidate's SYN may have been repeated before its turn came.
void OutcomeCounter::opened_repeated(const Attempt& attempt, std::uint16_t service) noexcept {
  const flowtable::Handshake& h = attempt.handshake;
  retrying(attempt, service);
  if (h.dup_synacks != 0) answered_again(attempt, service);
  count_sent_again(attempt, service, repeated_while_pending(h.dup_syns),
                   repeated_while_pending(h.dup_synacks));
}

namespace {

void count_times(ipc::Counts& counts, const Times& times, bool repeated) noexcept {
  counts.latency.add(times.whole);
  if (repeated) [[unlikely]] {
    ++counts[Tally::legs_ambiguous];
    return;
  }
  counts.responder_leg.add(times.responder);
  counts.initiator_leg.add(times.initiator);
}

// As nearly all are.
bool is_plain_success(const Attempt& attempt, const Outcome& outcome) noexcept {
  const bool odd = outcome.half_seen || outcome.late_proof || attempt.handshake.two_responders;
  return outcome.cause == Cause::none && !odd && !was_repeated(attempt);
}

}  // namespace

void OutcomeCounter::ended(const Attempt& attempt, const Outcome& outcome,
                           std::uint16_t service) noexcept {
  const auto lasted =
      std::chrono::duration_cast<std::chrono::microseconds>(duration(attempt, outcome));
  if (is_plain_success(attempt, outcome)) [[likely]] {
    count_plain_success(attempt, outcome, service, lasted);
  } else {
    count(attempt, outcome, lasted);
    const Pattern pattern = top_.ended(attempt, outcome, service, directions_of(attempt.tag));
    if (pattern != Pattern::none) [[unlikely]]
      count_pattern(attempt.tag, pattern);
  }
  sets_.close(attempt.tag);
}

void OutcomeCounter::count_plain_success(const Attempt& attempt, const Outcome& outcome,
                                         std::uint16_t service,
                                         std::chrono::microseconds lasted) noexcept {
  const Times times(legs_of(attempt, lasted), lasted);
  const bool matched = for_each_counts(attempt.tag, [&](ipc::Counts& counts) {
    --counts[Tally::pending];
    ++counts[Tally::success];
    counts[Tally::uncertain] += outcome.uncertain;
    count_times(counts, times, false);
  });
  top_.succeeded(attempt, service, outcome.at, times);
  if (matched && queue_.listening()) print(attempt, outcome);
}

void OutcomeCounter::count(const Attempt& attempt, const Outcome& outcome,
                           std::chrono::microseconds lasted) noexcept {
  switch (outcome.result()) {
    case Result::success:
      return count_success(attempt, outcome, lasted);
    case Result::evicted:
      return count_evicted(attempt);
    case Result::reject:
    case Result::timeout:
    case Result::unreach:
    case Result::pending:
      return count_failure(attempt, outcome);
  }
  __builtin_unreachable();
}

// What is the same for every filter is computed once, and rare cases are tested once.
void OutcomeCounter::count_success(const Attempt& attempt, const Outcome& outcome,
                                   std::chrono::microseconds lasted) noexcept {
  const bool repeated = was_repeated(attempt);
  const bool timed = !outcome.late_proof && !outcome.half_seen;
  const Times times(legs_of(attempt, lasted), lasted);
  const bool matched = for_each_counts(attempt.tag, [&](ipc::Counts& counts) {
    count_outcome(counts, Tally::success, outcome);
    if (timed) count_times(counts, times, repeated);
    if (repeated) [[unlikely]]
      count_duplicates(counts, attempt, true);
  });
  if (matched && queue_.listening()) print(attempt, outcome);
}

void OutcomeCounter::count_failure(const Attempt& attempt, const Outcome& outcome) noexcept {
  const Tally tally = tally_of(outcome.cause);
  const bool repeated = was_repeated(attempt);
  const bool matched = for_each_counts(attempt.tag, [&](ipc::Counts& counts) {
    count_outcome(counts, tally, outcome);
    count_details(counts, outcome);
    if (repeated) count_duplicates(counts, attempt, false);
  });
  if (matched && queue_.listening()) print(attempt, outcome);
}

// Nobody knows what would have become of it. In a flood this runs for every SYN.
void OutcomeCounter::count_evicted(const Attempt& attempt) noexcept {
  const bool repeated = was_repeated(attempt);
  static_cast<void>(for_each_counts(attempt.tag, [&](ipc::Counts& counts) {
    --counts[Tally::pending];
    ++counts[Tally::evicted];
    if (repeated) stop_retrying(counts, attempt);
  }));
}

void OutcomeCounter::count_pattern(FilterSets::Tag tag, Pattern pattern) noexcept {
  const Tally tally = tally_of(pattern);
  static_cast<void>(for_each_counts(tag, [&](ipc::Counts& counts) { ++counts[tally]; }));
}

void OutcomeCounter::retrying(const Attempt& attempt, std::uint16_t service) noexcept {
  static_cast<void>(
      for_each_counts(attempt.tag, [](ipc::Counts& counts) { ++counts[Tally::retrying]; }));
  top_.retrying(attempt, service);
}

void OutcomeCounter::sent_again(const Attempt& attempt, flowtable::Event event,
                                std::uint16_t service) noexcept {
  const bool synack = event == flowtable::Event::dup_synack;
  const unsigned so_far = synack ? attempt.handshake.dup_synacks : attempt.handshake.dup_syns;
  if (so_far > kMostRepeatedWhilePending) return;
  count_sent_again(attempt, service, synack ? 0 : 1, synack ? 1 : 0);
}

void OutcomeCounter::count_sent_again(const Attempt& attempt, std::uint16_t service, unsigned syns,
                                      unsigned synacks) noexcept {
  static_cast<void>(for_each_counts(attempt.tag, [&](ipc::Counts& counts) {
    counts[Tally::retrying_syns] += syns;
    counts[Tally::retrying_synacks] += synacks;
  }));
  top_.sent_again(service, syns, synacks);
}

void OutcomeCounter::late_synack(const Attempt& attempt) noexcept {
  static_cast<void>(
      for_each_counts(attempt.tag, [](ipc::Counts& counts) { ++counts[Tally::late_synack]; }));
  top_.late_synack(attempt);
}

void OutcomeCounter::show_pending(const Attempt& attempt, flowtable::PacketTime now) noexcept {
  if (counts(attempt) && queue_.listening())
    print(attempt, {.cause = flowtable::Cause::pending, .at = now});
}

void OutcomeCounter::print(const Attempt& attempt, const Outcome& outcome) noexcept {
  const std::uint64_t summary = sets_.summary(attempt.tag);
  const flowtable::Handshake& h = attempt.handshake;
  const bool timed = outcome.cause == Cause::none && !outcome.late_proof && !outcome.half_seen;
  const auto lasted = duration(attempt, outcome);
  OutcomeRecord record{
      .initiator = attempt.initiator_end(),
      .responder = attempt.responder_end(),
      .first_syn = timeline_.wall(attempt.first_syn),
      .duration = lasted,
      .tried = since_syn(h.last_syn_us),
      .outcome = outcome,
      .has_error = outcome.error != nullptr,
      .has_legs = timed && !was_repeated(attempt),
      .has_responder_isn = h.responder_was_seen(),
      .error = {},
      .legs = legs_of(attempt, std::chrono::duration_cast<std::chrono::microseconds>(lasted)),
      .isn = h.isn,
      .responder_isn = h.responder_isn,
      .filters = sets_.word(attempt.tag, 0),
      .dup_syns = h.dup_syns,
      .dup_synacks = h.dup_synacks,
      .interface = attempt.interface(),
  };
  if (outcome.error != nullptr) record.error = *outcome.error;
  record.outcome.error = nullptr;
  std::array<FilterWord, kFilterWords> words;
  std::size_t count = 0;
  for_each_bit(summary & ~std::uint64_t{1}, [&](std::size_t word) {
    words[count++] = {sets_.word(attempt.tag, word), static_cast<std::uint16_t>(word)};
  });
  events_lost_ += !queue_.push(record, std::span(words).first(count));
}

}  // namespace tcpeek::engine
