// A flow table used by hand, as the tracker uses it.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "flowtable/table.h"
#include "tests/support/secret.h"
#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {

inline FlowKey key_of(std::uint32_t n) {
  Endpoint from = v4(static_cast<std::uint8_t>(n), static_cast<std::uint16_t>(n >> 8));
  from.address[13] = static_cast<std::uint8_t>(n >> 24);
  return make_key(from, v4(7, 80)).key;
}

inline PacketTime seconds(std::int64_t s) {
  return time_of(std::chrono::seconds(s));
}

// A table that is used as the tracker uses it.
struct Bench {
  AttemptTable table;

  explicit Bench(std::uint64_t capacity, std::uint64_t seed = 1)
      : table(capacity, secret_of(seed)) {}

  // The place that a new attempt got.
  AttemptTable::Place put(const FlowKey& key, bool force = false, PacketTime first_syn = {}) {
    const AttemptTable::Home home = table.home(key);
    const AttemptTable::Place place = table.place(home, force);
    Attempt& attempt = table.put(place.slot, key, home);
    attempt.first_syn = first_syn;
    table.set_deadline(place.slot, Tick::not_before(first_syn));
    return place;
  }
  Slot find(const FlowKey& key) const { return table.find(key, table.home(key)); }
  void remember(const FlowKey& key, Tick until) {
    const Slot slot = find(key);
    table[slot].handshake.phase = Phase::succeeded;
    table.set_remembered(slot);
    table.set_deadline(slot, until);
  }
  // The first group of a key, by the rule in table.cc.
  std::size_t home(std::uint32_t n) const {
    const std::uint64_t hash = table.home(key_of(n)).hash;
    return static_cast<std::size_t>(((hash >> 32) * table.group_count()) >> 32);
  }
  std::uint32_t next_at_home(std::size_t group, std::uint32_t from) const {
    while (home(from) != group) ++from;
    return from;
  }
  // Which of the keys below `end` sit in a group.
  std::vector<std::uint32_t> in_group(std::size_t group, std::uint32_t end) const {
    std::vector<std::uint32_t> inside;
    for (std::uint32_t n = 0; n < end; ++n) {
      const auto slot = find(key_of(n));
      if (slot && slot.group() == group) inside.push_back(n);
    }
    return inside;
  }
  void answer(const FlowKey& key) {
    const Slot slot = find(key);
    table[slot].handshake.phase = Phase::answered;
    table.set_deadline(slot, table.deadline(slot), true);
  }
};

}  // namespace tcpeek::flowtable::test
