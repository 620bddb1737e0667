// The counters of a snapshot, one after the other: what only grows, as opposed to gauges, states and names.
//
// Thread contract: pure functions.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include "ipc/snapshot.h"

namespace tcpeek::ipc {

template <class Stats, class Which>
concept CountersOf = std::same_as<std::remove_const_t<Stats>, Which>;

[[nodiscard]] constexpr bool is_gauge(Tally tally) noexcept {
  return tally == Tally::pending || tally == Tally::retrying || tally == Tally::retrying_syns ||
         tally == Tally::retrying_synacks;
}

// Calls fn with each counter, always in the same order.
template <CountersOf<InterfaceStats> Stats, class Fn>
void for_each_counter(Stats& s, Fn&& fn) {
  for (auto* counter : {&s.packets, &s.dropped, &s.if_dropped}) fn(*counter);
}

template <CountersOf<ReaderStats> Stats, class Fn>
void for_each_counter(Stats& s, Fn&& fn) {
  for (auto* counter : {&s.packets, &s.dropped, &s.freezes, &s.events_lost}) fn(*counter);
}

template <CountersOf<Counts> Stats, class Fn>
void for_each_counter(Stats& s, Fn&& fn) {
  for (std::size_t i = 0; i < kTallies; ++i) {
    if (!is_gauge(static_cast<Tally>(i))) fn(s.values[i]);
  }
}

template <CountersOf<ServerStats> Stats, class Fn>
void for_each_counter(Stats& s, Fn&& fn) {
  for (auto* counter : {&s.clients_accepted, &s.clients_displaced, &s.accept_failures, &s.requests,
                        &s.requests_dropped, &s.replies_dropped, &s.lines_lost, &s.watchers_refused,
                        &s.watchers_stalled, &s.deltas_displaced}) {
    fn(*counter);
  }
}

template <CountersOf<PacketStats> Stats, class Fn>
void for_each_counter(Stats& s, Fn&& fn) {
  for (auto* counter : {&s.seen, &s.dropped, &s.delivered, &s.used, &s.misrouted}) fn(*counter);
}

// Of the process alone, without its parts.
template <CountersOf<Snapshot> Stats, class Fn>
void for_each_counter(Stats& s, Fn&& fn) {
  for (auto* counter : {&s.attempts_excluded, &s.attempts_not_local, &s.filter_sets_overflowed,
                        &s.syn_copies, &s.synack_copies, &s.late_syns, &s.stray_syns}) {
    fn(*counter);
  }
}

}  // namespace tcpeek::ipc
