#include "ipc/delta.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>

#include "ipc/snapshot_counters.h"

namespace tcpeek::ipc {
namespace {

// A counter that fell began anew.
void subtract(std::uint64_t& now, std::uint64_t before) noexcept {
  if (now >= before) now -= before;
}

template <class Stats>
std::array<std::uint64_t, kTallies> counters_of(const Stats& stats) noexcept {
  std::array<std::uint64_t, kTallies> values{};
  std::size_t count = 0;
  for_each_counter(stats, [&](std::uint64_t value) { values[count++] = value; });
  return values;
}

template <class Stats>
void subtract(Stats& now, const Stats& before) noexcept {
  const auto values = counters_of(before);
  std::size_t count = 0;
  for_each_counter(now, [&](std::uint64_t& value) { subtract(value, values[count++]); });
}

void subtract_all(Counts& now, const Counts& before) noexcept {
  subtract(now, before);
  now.latency -= before.latency;
  now.responder_leg -= before.responder_leg;
  now.initiator_leg -= before.initiator_leg;
}

bool fell(const Counts& now, const Counts& before) noexcept {
  const auto values = counters_of(before);
  std::size_t count = 0;
  bool any = now.latency.count() < before.latency.count();
  for_each_counter(now, [&](std::uint64_t value) { any = any || value < values[count++]; });
  return any;
}

bool is_alike(const FilterStats& now, const FilterStats& before) noexcept {
  return before.name == now.name && before.expression == now.expression;
}

bool is_same(const FilterStats& now, const FilterStats& before) noexcept {
  return before.removed == now.removed && before.since == now.since && is_alike(now, before);
}

// One that was removed since goes on under its number, beside one that came in its place.
const FilterStats* earlier(const FilterStats& now, const Snapshot& before) noexcept {
  const FilterStats* in_force = nullptr;
  for (const FilterStats& filter : before.filters) {
    if (is_same(now, filter)) return &filter;
    if (now.removed && !filter.removed && is_alike(now, filter)) in_force = &filter;
  }
  return in_force;
}

void subtract_filter(FilterStats& now, const FilterStats* before) noexcept {
  now.restarted = before == nullptr || fell(now.counts, before->counts);
  if (!now.restarted) subtract_all(now.counts, before->counts);
}

// What stands at the same place then is most likely the same filter.
const FilterStats* find_earlier(const FilterStats& now, std::size_t place,
                                const Snapshot& before) noexcept {
  if (place < before.filters.size() && is_same(now, before.filters[place]))
    return &before.filters[place];
  return earlier(now, before);
}

// Each entry less the one that goes by the same name or number.
template <class List, class Key>
void subtract_each(List& now, const List& before, Key key) {
  for (auto& entry : now) {
    const auto then = std::ranges::find(before, std::invoke(key, entry), key);
    if (then != before.end()) subtract(entry, *then);
  }
}

}  // namespace

Snapshot difference(Snapshot now, const Snapshot& before) {
  subtract_each(now.interfaces, before.interfaces, &InterfaceStats::name);
  subtract_each(now.readers, before.readers, &ReaderStats::id);
  for (std::size_t i = 0; i < now.filters.size(); ++i) {
    subtract_filter(now.filters[i], find_earlier(now.filters[i], i, before));
  }
  for (NamedCount& reason : now.packets.ignored) {
    const auto then = std::ranges::find(before.packets.ignored, reason.name, &NamedCount::name);
    if (then != before.packets.ignored.end()) subtract(reason.count, then->count);
  }
  subtract_all(now.totals, before.totals);
  subtract(now, before);
  subtract(now.packets, before.packets);
  subtract(now.server, before.server);
  if (now.http && before.http) subtract(*now.http, *before.http);
  return now;
}

}  // namespace tcpeek::ipc
