// Quantiles and sums of latency histograms.
#include "ipc/histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tcpeek::ipc {
namespace {

std::uint64_t middle_us(std::size_t bucket) noexcept {
  const std::uint64_t lower = LatencyHistogram::lower_bound_us(bucket);
  const std::uint64_t width = LatencyHistogram::lower_bound_us(bucket + 1) - lower;
  return lower + width / 2;
}

}  // namespace

LatencyHistogram::LatencyHistogram(const std::array<std::uint64_t, kBuckets>& buckets,
                                   std::uint64_t sum_us, std::uint64_t max_us) noexcept
    : buckets_(buckets), sum_us_(sum_us), max_us_(max_us) {}

std::uint64_t LatencyHistogram::count() const noexcept {
  return std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0});
}

// The nearest-rank definition: the smallest value with at least q of all values at or below it.
std::uint64_t LatencyHistogram::rank(double q, std::uint64_t count) noexcept {
  const double share = q > 0.0 ? std::min(q, 1.0) : 0.0;  // a NaN counts as 0
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count)));
  return std::clamp<std::uint64_t>(rank, 1, std::max<std::uint64_t>(count, 1));
}

// Calls fn(middle of the bucket) for each of the ranks, which ascend. None is beyond the largest value.
template <std::size_t N, typename Fn>
void LatencyHistogram::for_ranks(const std::array<std::uint64_t, N>& ranks,
                                 Fn&& fn) const noexcept {
  std::uint64_t passed = 0;
  std::size_t next = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    passed += buckets_[bucket];
    while (next < N && (passed >= ranks[next] || bucket + 1 == kBuckets)) {
      const std::uint64_t us = std::min(middle_us(bucket), max_us_);
      fn(next++, std::chrono::microseconds{static_cast<std::int64_t>(us)});
    }
    if (next == N) return;
  }
}

std::chrono::microseconds LatencyHistogram::quantile(double q) const noexcept {
  std::chrono::microseconds found{0};
  const std::uint64_t n = count();
  if (n == 0) return found;
  for_ranks(std::array{rank(q, n)}, [&](std::size_t, std::chrono::microseconds us) { found = us; });
  return found;
}

LatencyHistogram::Quantiles LatencyHistogram::quantiles() const noexcept {
  std::array<std::chrono::microseconds, 4> found{};
  const std::uint64_t n = count();
  if (n == 0) return {};
  for_ranks(std::array{rank(0.5, n), rank(0.9, n), rank(0.99, n), rank(0.999, n)},
            [&](std::size_t i, std::chrono::microseconds us) { found.at(i) = us; });
  return {found[0], found[1], found[2], found[3]};
}

LatencyHistogram& LatencyHistogram::operator+=(const LatencyHistogram& other) noexcept {
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  sum_us_ += other.sum_us_;
  max_us_ = std::max(max_us_, other.max_us_);
  return *this;
}

LatencyHistogram& LatencyHistogram::operator-=(const LatencyHistogram& earlier) noexcept {
  // A histogram that was not an older copy must not turn counts into huge ones: each stops at 0.
  const auto less = [](std::uint64_t a, std::uint64_t b) { return a - std::min(a, b); };
  for (std::size_t i = 0; i < kBuckets; ++i) {
    buckets_[i] = less(buckets_[i], earlier.buckets_[i]);
  }
  sum_us_ = less(sum_us_, earlier.sum_us_);
  return *this;
}

}  // namespace tcpeek::ipc
