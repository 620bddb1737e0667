// The rules that attempts begin under: which filters there are and which addresses are local. One
// generation of them, immutable; a change of either makes a new one, which the reactor hands to each
// reader (base/handover.h).
//
// Filters have numbers that stay theirs for as long as anything is counted under them: an attempt
// begun under an older generation goes on counting where it began, and a number is given to another
// filter only when all that is over (filters/filter_registry.h).
//
// Thread contract: immutable once built; any number of threads may read it. Copies share the matcher.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/filters/filter_matcher.h"
#include "engine/filters/locality.h"

namespace tcpeek::engine {

using FilterId = std::uint16_t;

// Filters at once, those that were removed and still have attempts included: room for every filter of a
// full command line to be replaced by another.
inline constexpr std::size_t kMaxFilterIds = 2 * kMaxFilters;
// Of 64 bits, a bit for each.
inline constexpr std::size_t kFilterWords = kMaxFilterIds / 64;

// RX and TX are first and never removed.
inline constexpr FilterId kRxFilterId = 0;
inline constexpr FilterId kTxFilterId = 1;

class Ruleset {
 public:
  struct CountedFilter {
    FilterId id = 0;
    std::uint32_t since = 0;  // the generation it came with
  };

  // `counted` says for each of the matcher's counted() what number it has.
  Ruleset(std::shared_ptr<const FilterMatcher> matcher, std::vector<CountedFilter> counted,
          std::uint32_t generation, Locality locality)
      : matcher_(std::move(matcher)),
        counted_(std::move(counted)),
        generation_(generation),
        locality_(std::move(locality)) {}

  // The same filters where other addresses are local.
  [[nodiscard]] Ruleset with(Locality locality) const {
    return {matcher_, counted_, generation_, std::move(locality)};
  }

  [[nodiscard]] const FilterMatcher& matcher() const noexcept { return *matcher_; }
  [[nodiscard]] const Locality& locality() const noexcept { return locality_; }
  [[nodiscard]] std::span<const CountedFilter> counted() const noexcept { return counted_; }
  // Of the filters; it grows by one with each exchange of them, from 1.
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }

 private:
  std::shared_ptr<const FilterMatcher> matcher_;
  std::vector<CountedFilter> counted_;
  std::uint32_t generation_;
  Locality locality_;
};

}  // namespace tcpeek::engine
