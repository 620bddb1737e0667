// A deliberately naive matcher (every filter, every term, bit by bit) and the real one asked alike.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/filters/filter_matcher.h"

namespace tcpeek::engine::matcher_test {

inline constexpr std::uint8_t kRx = 1;
inline constexpr std::uint8_t kTx = 2;
inline constexpr std::uint8_t kBoth = 3;

struct Attempt {
  Address initiator;
  Address responder;
  std::uint16_t port = 0;
  std::uint8_t directions = 0;
};

struct Result {
  std::vector<std::size_t> matches;
  bool excluded = false;
  bool operator==(const Result&) const = default;
};

inline Result run(const FilterMatcher& matcher, const Attempt& a) {
  const MatchKey key = matcher.classify(a.initiator, a.responder, a.port, a.directions);
  Result result;
  matcher.for_each_match(key, [&](std::size_t index) { result.matches.push_back(index); });
  result.excluded = matcher.excluded(key);
  return result;
}

inline bool is_mapped(const Address& a) {
  for (std::size_t i = 0; i < 10; ++i) {
    if (a.bytes[i] != 0) return false;
  }
  return a.bytes[10] == 0xff && a.bytes[11] == 0xff;
}

inline bool bit_of(const Address& a, unsigned index) {
  return ((a.bytes[index / 8] >> (7 - index % 8)) & 1) != 0;
}

inline bool naive_contains(const Prefix& prefix, const Address& a) {
  const bool v4_prefix = is_mapped(prefix.address) && prefix.length >= 96;
  if (v4_prefix != is_mapped(a)) return false;
  for (unsigned i = 0; i < prefix.length; ++i) {
    if (bit_of(prefix.address, i) != bit_of(a, i)) return false;
  }
  return true;
}

inline bool naive_filter_matches(const FilterExpression& filter, const Attempt& a) {
  const bool rx = filter.direction == Direction::rx;
  if ((a.directions & (rx ? kRx : kTx)) == 0) return false;
  const Address& remote = rx ? a.initiator : a.responder;
  for (const FilterTerm& term : filter.terms) {
    if (!term.any_address && !naive_contains(term.remote, remote)) continue;
    for (const PortRange& range : term.ports) {
      if (range.first <= a.port && a.port <= range.last) return true;
    }
  }
  return false;
}

inline Result naive(const std::vector<FilterExpression>& filters, const Attempt& a) {
  Result result;
  std::size_t index = 0;
  for (const FilterExpression& filter : filters) {
    const bool matches = naive_filter_matches(filter, a);
    if (filter.excludes()) {
      result.excluded = result.excluded || matches;
      continue;
    }
    if (matches) result.matches.push_back(index);
    ++index;
  }
  if (result.excluded) result.matches.clear();
  return result;
}

}  // namespace tcpeek::engine::matcher_test
