// How long one leg of a handshake took, coarsely: 128 bytes, as every service has two.
//
// How it works: 32 buckets, two to a power of two, from 32 us to 1.05 s; what is shorter or longer counts
// in the first or the last one. A quantile is the middle of its bucket, off by a quarter at most; of the
// first and the last bucket it is their one bound. When a bucket is full, all are halved: quantiles stay.
//
// Thread contract: a plain value.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ipc/histogram.h"

namespace tcpeek::engine {

class LegHistogram {
 public:
  static constexpr std::size_t kBuckets = 32;

  void add(std::chrono::microseconds value) noexcept { add(ipc::LatencyHistogram::Sample(value)); }
  void add(const ipc::LatencyHistogram::Sample& sample) noexcept {
    std::uint32_t& bucket = buckets_[bucket_of(sample)];
    if (++bucket == std::numeric_limits<std::uint32_t>::max()) [[unlikely]]
      halve();
  }

  [[nodiscard]] std::uint64_t count() const noexcept {
    std::uint64_t count = 0;
    for (const std::uint32_t bucket : buckets_) count += bucket;
    return count;
  }

  // Adds those of another, for sums of many; `buckets` may be full then, and is halved by nobody.
  using Sums = std::array<std::uint64_t, kBuckets>;
  void add_to(Sums& sums) const noexcept {
    for (std::size_t i = 0; i < kBuckets; ++i) sums[i] += buckets_[i];
  }
  // Of a service that is given up, to the row of all others.
  LegHistogram& operator+=(const LegHistogram& other) noexcept {
    for (std::size_t i = 0; i < kBuckets; ++i) {
      const std::uint64_t sum = std::uint64_t{buckets_[i]} + other.buckets_[i];
      buckets_[i] = static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, kMost));
    }
    return *this;
  }

  // The smallest value with at least the share `q` (0..1) at or below it; `sums` is not empty.
  [[nodiscard]] static std::chrono::microseconds quantile(const Sums& sums, double q) noexcept {
    std::uint64_t total = 0;
    for (const std::uint64_t bucket : sums) total += bucket;
    const double wanted = q * static_cast<double>(total);
    std::uint64_t seen = 0;
    std::size_t i = 0;
    while (i + 1 < kBuckets) {
      seen += sums[i];
      if (seen > 0 && static_cast<double>(seen) >= wanted) break;
      ++i;
    }
    if (i == 0) return std::chrono::microseconds(lower_bound_us(1));
    if (i == kBuckets - 1) return std::chrono::microseconds(lower_bound_us(i));
    return std::chrono::microseconds((lower_bound_us(i) + lower_bound_us(i + 1)) / 2);
  }

  // Of a bucket but the first.
  [[nodiscard]] static constexpr std::int64_t lower_bound_us(std::size_t bucket) noexcept {
    const std::size_t half = bucket - 1;
    return (std::int64_t{2} + static_cast<std::int64_t>(half % 2)) << (kFirstBit - 1 + half / 2);
  }
  // Both histograms split powers of two, that one in more steps.
  [[nodiscard]] static std::size_t bucket_of(const ipc::LatencyHistogram::Sample& sample) noexcept {
    return bucket_of_fine(sample.bucket);
  }
  [[nodiscard]] static constexpr std::size_t bucket_of_fine(std::size_t fine) noexcept {
    const std::size_t half = fine / (ipc::LatencyHistogram::kSteps / 2);
    return std::clamp(half, kBelowFirst, kBelowFirst + kBuckets - 1) - kBelowFirst;
  }

 private:
  static constexpr unsigned kFirstBit = 5;  // 32 us
  // Halves of powers of two that the finer histogram has below bucket 1, less one.
  static constexpr std::size_t kBelowFirst =
      ipc::LatencyHistogram::bucket_of(1U << kFirstBit) / (ipc::LatencyHistogram::kSteps / 2) - 1;
  static constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max() - 1;

  void halve() noexcept {
    for (std::uint32_t& bucket : buckets_) bucket /= 2;
  }

  std::array<std::uint32_t, kBuckets> buckets_{};
};

static_assert(LegHistogram::bucket_of_fine(ipc::LatencyHistogram::bucket_of(31)) == 0);
static_assert(LegHistogram::bucket_of_fine(ipc::LatencyHistogram::bucket_of(32)) == 1);
static_assert(LegHistogram::bucket_of_fine(ipc::LatencyHistogram::bucket_of(48)) == 2);
static_assert(LegHistogram::bucket_of_fine(ipc::LatencyHistogram::bucket_of(~0U)) == 31);
static_assert(LegHistogram::lower_bound_us(2) == 48 && LegHistogram::lower_bound_us(3) == 64);

}  // namespace tcpeek::engine
