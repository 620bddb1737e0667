#include "engine/pipeline/outcome_counter.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace tcpeek::engine {
namespace {

using flowtable::Attempt;
using flowtable::Ending;
using flowtable::Result;
using ipc::Tally;

Address to_address(const flowtable::Endpoint& end) noexcept {
  return {end.address};
}

std::uint32_t pack(FilterTag tag) noexcept {
  return std::uint32_t{tag.address_class} << 16 | tag.port_class;
}
FilterTag unpack(std::uint32_t tag) noexcept {
  return {static_cast<std::uint16_t>(tag >> 16), static_cast<std::uint16_t>(tag)};
}

Tally tally_of(Result result) noexcept {
  switch (result) {
    case Result::success:
      return Tally::success;
    case Result::refused:
      return Tally::refused;
    case Result::aborted:
      return Tally::aborted;
    case Result::timed_out_no_answer:
      return Tally::timed_out_no_answer;
    case Result::timed_out_no_ack:
      return Tally::timed_out_no_ack;
    case Result::unreachable:
      return Tally::unreachable;
    case Result::evicted:
      return Tally::evicted;
  }
  return Tally::evicted;
}

void count_duplicates(ipc::Counts& counts, const Attempt& attempt, bool success) noexcept {
  const auto& h = attempt.handshake;
  counts[success ? Tally::success_dup_syn : Tally::failure_dup_syn] += h.dup_syns != 0;
  counts[success ? Tally::success_dup_synack : Tally::failure_dup_synack] += h.dup_synacks != 0;
  counts[success ? Tally::success_dup_syn_segments : Tally::failure_dup_syn_segments] += h.dup_syns;
  counts[success ? Tally::success_dup_synack_segments : Tally::failure_dup_synack_segments] +=
      h.dup_synacks;
}

std::chrono::nanoseconds duration(const Attempt& attempt, const Ending& ending) noexcept {
  return std::max(ending.at - attempt.first_syn, std::chrono::nanoseconds{0});
}

// Everything but duplicates and latency.
void count_ending(ipc::Counts& counts, Tally tally, const Ending& ending) noexcept {
  --counts[Tally::pending];
  ++counts[tally];
  if (!ending.uncertain && !ending.half_seen && !ending.late_proof) [[likely]]
    return;
  counts[Tally::uncertain] += ending.uncertain;
  counts[Tally::half_seen] += ending.half_seen;
  counts[Tally::late_proof] += ending.late_proof;
}

}  // namespace

OutcomeCounter::OutcomeCounter(const FilterMatcher& matcher, Handover<const Locality>& locality,
                               OutcomeQueue& queue, const PacketTimeline& timeline)
    : matcher_(matcher), locality_(locality), queue_(queue), timeline_(timeline) {
  counts_.filters.resize(matcher.counted().size());
}

template <class Fn>
bool OutcomeCounter::for_each_counts(const Attempt& attempt, Fn&& fn) noexcept {
  fn(counts_.totals);
  bool matched = false;
  const auto responder = [&] { return to_address(attempt.responder_end()); };
  matcher_.for_each_match(unpack(attempt.tag), attempt.marks(), responder, [&](std::size_t filter) {
    matched = true;
    fn(counts_.filters[filter]);
  });
  return matched;
}

void OutcomeCounter::opened(Attempt& attempt) noexcept {
  const Address initiator = to_address(attempt.initiator_end());
  const flowtable::Endpoint responder_end = attempt.responder_end();
  const Address responder = to_address(responder_end);
  const std::uint8_t directions =
      locality_.current().directions(initiator, responder, attempt.handshake.syn_interface);
  const FilterTag tag = matcher_.classify(initiator, responder, responder_end.port, directions);
  attempt.tag = pack(tag);
  attempt.set_marks(directions);
  const bool matched = for_each_counts(attempt, [](ipc::Counts& counts) {
    ++counts[Tally::attempts];
    ++counts[Tally::pending];
  });
  if (directions == 0) {
    ++counts_.not_local;
  } else if (!matched) {
    ++counts_.excluded;
  }
}

// What is the same for every filter is worked out once, and what is rare is asked once.
void OutcomeCounter::ended(const Attempt& attempt, const Ending& ending) noexcept {
  const Tally tally = tally_of(ending.result);
  const bool success = ending.result == Result::success;
  const bool told = ending.result != Result::evicted;
  const bool repeated = told && (attempt.handshake.dup_syns | attempt.handshake.dup_synacks) != 0;
  const bool timed = success && !ending.late_proof;
  const ipc::LatencyHistogram::Sample latency(
      std::chrono::duration_cast<std::chrono::microseconds>(duration(attempt, ending)));
  const bool matched = for_each_counts(attempt, [&](ipc::Counts& counts) {
    count_ending(counts, tally, ending);
    if (timed) counts.latency.add(latency);
    if (repeated) [[unlikely]]
      count_duplicates(counts, attempt, success);
  });
  if (matched && told && queue_.listening()) tell(attempt, ending);
}

void OutcomeCounter::late_synack(const Attempt& attempt) noexcept {
  static_cast<void>(
      for_each_counts(attempt, [](ipc::Counts& counts) { ++counts[Tally::late_synack]; }));
}

void OutcomeCounter::tell(const Attempt& attempt, const Ending& ending) noexcept {
  const Outcome outcome{
      .initiator = attempt.initiator_end(),
      .responder = attempt.responder_end(),
      .first_syn = timeline_.wall(attempt.first_syn),
      .duration = duration(attempt, ending),
      .ending = ending,
      .tag = unpack(attempt.tag),
      .directions = attempt.marks(),
      .dup_syns = attempt.handshake.dup_syns,
      .dup_synacks = attempt.handshake.dup_synacks,
      .interface = attempt.handshake.syn_interface,
  };
  counts_.events_lost += !queue_.push(outcome);
}

}  // namespace tcpeek::engine
