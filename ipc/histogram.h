// A latency histogram of fixed size with bounded relative error.
//
// How it works: values are microseconds. Below 16 each value has its own bucket; above, every power
// of two is split in 16 equal steps, so a bucket is at most 1/16 of its value wide and a quantile
// read from it is off by 3.2% at most (the bucket's middle is reported). Values beyond the last
// bucket (134 seconds) count in the last one; the largest value is kept beside.
//
// Thread contract: a plain value, written by one thread; others get copies.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tcpeek::ipc {

class LatencyHistogram {
 public:
  static constexpr std::size_t kSteps = 16;    // per power of two
  static constexpr std::size_t kOctaves = 24;  // 16 us .. 2^27 us
  static constexpr std::size_t kBuckets = kSteps + (kOctaves - 1) * kSteps;

  // A value prepared for being added to several histograms.
  struct Sample {
    std::uint64_t us = 0;
    std::size_t bucket = 0;

    explicit Sample(std::chrono::microseconds value) noexcept
        : us(value.count() < 0 ? 0U : static_cast<std::uint64_t>(value.count())),
          bucket(bucket_of(us)) {}
  };

  LatencyHistogram() = default;
  // Put together again from what another one said of itself.
  LatencyHistogram(const std::array<std::uint64_t, kBuckets>& buckets, std::uint64_t sum_us,
                   std::uint64_t max_us) noexcept;

  void add(const Sample& sample) noexcept {
    ++buckets_[sample.bucket];
    sum_us_ += sample.us;
    max_us_ = std::max(max_us_, sample.us);
  }
  void add(std::chrono::microseconds value) noexcept { add(Sample(value)); }

  // Adds up the buckets, so that add() has one number less to write.
  [[nodiscard]] std::uint64_t count() const noexcept;
  [[nodiscard]] std::uint64_t sum_us() const noexcept { return sum_us_; }
  [[nodiscard]] std::uint64_t max_us() const noexcept { return max_us_; }
  [[nodiscard]] const std::array<std::uint64_t, kBuckets>& buckets() const noexcept {
    return buckets_;
  }

  // The smallest value with at least the share `q` (0..1) of all values at or below it, within the
  // error named above; 0 when the histogram is empty.
  [[nodiscard]] std::chrono::microseconds quantile(double q) const noexcept;

  struct Quantiles {
    std::chrono::microseconds p50{0}, p90{0}, p99{0}, p999{0};
  };
  // The usual ones in one pass.
  [[nodiscard]] Quantiles quantiles() const noexcept;

  LatencyHistogram& operator+=(const LatencyHistogram& other) noexcept;
  // What was added since `earlier`, an older copy of this histogram. Never below zero. The largest value
  // stays that of all.
  LatencyHistogram& operator-=(const LatencyHistogram& earlier) noexcept;

  // Smallest value of a bucket; the bucket ends where the next one begins.
  [[nodiscard]] static constexpr std::uint64_t lower_bound_us(std::size_t bucket) noexcept {
    if (bucket < kSteps) return bucket;
    const std::size_t octave = bucket / kSteps - 1;
    return (kSteps + bucket % kSteps) << octave;
  }

  [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t us) noexcept {
    if (us < kSteps) return static_cast<std::size_t>(us);
    const auto octave = static_cast<std::size_t>(std::bit_width(us)) - 5;
    const std::size_t bucket = (octave + 1) * kSteps + ((us >> octave) & (kSteps - 1));
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }

 private:
  [[nodiscard]] static std::uint64_t rank(double q, std::uint64_t count) noexcept;
  template <std::size_t N, typename Fn>
  void for_ranks(const std::array<std::uint64_t, N>& ranks, Fn&& fn) const noexcept;

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t sum_us_ = 0;
  std::uint64_t max_us_ = 0;
};

static_assert(LatencyHistogram::bucket_of(15) == 15 && LatencyHistogram::bucket_of(16) == 16);
static_assert(LatencyHistogram::lower_bound_us(LatencyHistogram::bucket_of(1024)) == 1024);
static_assert(LatencyHistogram::lower_bound_us(LatencyHistogram::bucket_of(1087)) == 1024);

}  // namespace tcpeek::ipc
