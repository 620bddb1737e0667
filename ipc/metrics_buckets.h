// The buckets of a classic histogram, chosen out of the log-linear ones of ipc/histogram.h.
//
// Each bound is one of those buckets' bounds too, so what is counted here is exact: no count is split or
// guessed, and a quantile that Prometheus reads from here lies in the same bucket as the exact one. Bounds are
// the powers of two from 64 us to 33.6 s, and so a quantile is off by a factor of two at most. More would be dear: every
// filter has all of them, each a line of a scrape and a series of a server.
//
// Values are whole microseconds, cut, so all below a bound are less than it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ipc/histogram.h"

namespace tcpeek::ipc {

inline constexpr std::size_t kMetricsBuckets = 20;

// Upper bounds, in microseconds; above the last is +Inf.
inline constexpr std::array<std::uint64_t, kMetricsBuckets> kMetricsBoundsUs = [] {
  std::array<std::uint64_t, kMetricsBuckets> bounds{};
  for (std::size_t i = 0; i < kMetricsBuckets; ++i) bounds[i] = std::uint64_t{64} << i;
  return bounds;
}();

// How many values are below each bound.
[[nodiscard]] constexpr std::array<std::uint64_t, kMetricsBuckets> counts_below_bounds(
    const LatencyHistogram& histogram) noexcept {
  std::array<std::uint64_t, kMetricsBuckets> below{};
  std::uint64_t passed = 0;
  std::size_t bucket = 0;
  for (std::size_t i = 0; i < kMetricsBuckets; ++i) {
    const std::size_t end = LatencyHistogram::bucket_of(kMetricsBoundsUs[i]);
    for (; bucket < end; ++bucket) passed += histogram.buckets()[bucket];
    below[i] = passed;
  }
  return below;
}

static_assert([] {
  for (const std::uint64_t bound : kMetricsBoundsUs) {
    const std::size_t bucket = LatencyHistogram::bucket_of(bound);
    if (bucket + 1 >= LatencyHistogram::kBuckets) return false;
    if (LatencyHistogram::lower_bound_us(bucket) != bound) return false;
  }
  return true;
}());

}  // namespace tcpeek::ipc
