// Quantiles and sums of latency histograms.
#include "ipc/histogram.h"

#include <algorithm>
#include <cmath>

namespace tcpeek::ipc {
namespace {

std::uint64_t middle_us(std::size_t bucket) noexcept {
  const std::uint64_t lower = LatencyHistogram::lower_bound_us(bucket);
  const std::uint64_t width = LatencyHistogram::lower_bound_us(bucket + 1) - lower;
  return lower + width / 2;
}

}  // namespace

std::chrono::microseconds LatencyHistogram::quantile(double q) const noexcept {
  if (count_ == 0) return std::chrono::microseconds{0};
  // The nearest-rank definition: the smallest value with at least q of all values at or below it.
  const double share = q > 0.0 ? std::min(q, 1.0) : 0.0;  // a NaN counts as 0
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  const std::uint64_t wanted = std::clamp<std::uint64_t>(rank, 1, count_);

  std::uint64_t passed = 0;
  std::size_t bucket = 0;
  for (; bucket + 1 < kBuckets; ++bucket) {
    passed += buckets_[bucket];
    if (passed >= wanted) break;
  }
  return std::chrono::microseconds{static_cast<std::int64_t>(middle_us(bucket))};
}

LatencyHistogram& LatencyHistogram::operator+=(const LatencyHistogram& other) noexcept {
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_us_ += other.sum_us_;
  return *this;
}

LatencyHistogram& LatencyHistogram::operator-=(const LatencyHistogram& earlier) noexcept {
  // A histogram that was not an older copy must not turn counts into huge ones: each stops at 0.
  const auto less = [](std::uint64_t a, std::uint64_t b) { return a - std::min(a, b); };
  count_ = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    buckets_[i] = less(buckets_[i], earlier.buckets_[i]);
    count_ += buckets_[i];
  }
  sum_us_ = less(sum_us_, earlier.sum_us_);
  return *this;
}

}  // namespace tcpeek::ipc
