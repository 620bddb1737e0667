// The histogram against a sorted vector of the values themselves.
#include "ipc/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace tcpeek::ipc {
namespace {

using std::chrono::microseconds;

std::uint64_t sum_of_buckets(const LatencyHistogram& histogram) {
  const auto& buckets = histogram.buckets();
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

TEST(Histogram, BucketsAreContiguousAndNarrow) {
  for (std::size_t bucket = 0; bucket < LatencyHistogram::kBuckets; ++bucket) {
    const std::uint64_t lower = LatencyHistogram::lower_bound_us(bucket);
    const std::uint64_t upper = LatencyHistogram::lower_bound_us(bucket + 1);
    ASSERT_LT(lower, upper);
    EXPECT_EQ(LatencyHistogram::bucket_of(lower), bucket);
    EXPECT_EQ(LatencyHistogram::bucket_of(upper - 1), bucket);
    if (bucket >= LatencyHistogram::kSteps) {
      EXPECT_LE(upper - lower, lower / 16);
    }
  }
}

TEST(Histogram, TheLastBucketTakesEverythingBeyond) {
  constexpr std::size_t kLast = LatencyHistogram::kBuckets - 1;
  const std::uint64_t end = std::uint64_t{1} << 27;
  EXPECT_EQ(LatencyHistogram::lower_bound_us(kLast + 1), end);
  EXPECT_EQ(LatencyHistogram::bucket_of(end - 1), kLast);
  EXPECT_EQ(LatencyHistogram::bucket_of(end), kLast);
  EXPECT_EQ(LatencyHistogram::bucket_of(std::numeric_limits<std::uint64_t>::max()), kLast);

  LatencyHistogram histogram;
  histogram.add(microseconds::max());
  EXPECT_EQ(histogram.buckets()[kLast], 1U);
  EXPECT_GE(histogram.quantile(1.0).count(), std::int64_t{1} << 26);
  EXPECT_EQ(histogram.max_us(), static_cast<std::uint64_t>(microseconds::max().count()));
}

TEST(Histogram, AnEmptyOneHasOnlyZeros) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.sum_us(), 0U);
  EXPECT_EQ(histogram.quantile(0.5), microseconds{0});
}

TEST(Histogram, NegativeValuesCountAsZero) {
  LatencyHistogram histogram;
  histogram.add(microseconds{-1});
  histogram.add(microseconds::min());
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.sum_us(), 0U);
  EXPECT_EQ(histogram.buckets()[0], 2U);
}

TEST(Histogram, QuantilesOutOfRangeAreTheExtremes) {
  LatencyHistogram histogram;
  histogram.add(microseconds{1});
  histogram.add(microseconds{2});
  histogram.add(microseconds{3});
  EXPECT_EQ(histogram.quantile(-1.0), microseconds{1});
  EXPECT_EQ(histogram.quantile(0.0), microseconds{1});
  EXPECT_EQ(histogram.quantile(std::numeric_limits<double>::quiet_NaN()), microseconds{1});
  EXPECT_EQ(histogram.quantile(0.5), microseconds{2});
  EXPECT_EQ(histogram.quantile(1.0), microseconds{3});
  EXPECT_EQ(histogram.quantile(2.0), microseconds{3});
}

// The true quantile by nearest rank.
std::int64_t exact_quantile(const std::vector<std::int64_t>& sorted, double q) {
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

class HistogramAgainstSorted : public testing::TestWithParam<unsigned> {};

TEST_P(HistogramAgainstSorted, QuantilesStayWithinTheBound) {
  std::mt19937_64 random(GetParam());
  // Magnitudes from 1 us to two minutes, evenly on the logarithmic scale.
  std::uniform_real_distribution<double> magnitude(0.0, std::log(1.2e8));
  const std::size_t size = 1 + random() % 5000;

  LatencyHistogram histogram;
  std::vector<std::int64_t> values;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const auto us = static_cast<std::int64_t>(std::exp(magnitude(random)));
    histogram.add(microseconds{us});
    values.push_back(us);
    sum += static_cast<std::uint64_t>(us);
  }
  std::sort(values.begin(), values.end());

  EXPECT_EQ(histogram.count(), size);
  EXPECT_EQ(sum_of_buckets(histogram), size);
  EXPECT_EQ(histogram.sum_us(), sum);
  EXPECT_EQ(histogram.max_us(), static_cast<std::uint64_t>(values.back()));
  const auto [p50, p90, p99, p999] = histogram.quantiles();
  EXPECT_EQ(p50, histogram.quantile(0.5));
  EXPECT_EQ(p90, histogram.quantile(0.9));
  EXPECT_EQ(p99, histogram.quantile(0.99));
  EXPECT_EQ(p999, histogram.quantile(0.999));
  for (const double q : {0.0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0}) {
    const auto exact = static_cast<double>(exact_quantile(values, q));
    const auto read = static_cast<double>(histogram.quantile(q).count());
    EXPECT_LE(std::abs(read - exact), exact * 0.032) << "q=" << q << " size=" << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, HistogramAgainstSorted, testing::Range(1U, 41U));

TEST(Histogram, AddingAndTakingAwayAreInverse) {
  std::mt19937_64 random(7);
  LatencyHistogram first;
  LatencyHistogram second;
  for (int i = 0; i < 1000; ++i) {
    first.add(microseconds{static_cast<std::int64_t>(random() % 1'000'000)});
    second.add(microseconds{static_cast<std::int64_t>(random() % 50'000)});
  }
  LatencyHistogram both = first;
  both += second;
  EXPECT_EQ(both.count(), 2000U);
  EXPECT_EQ(both.sum_us(), first.sum_us() + second.sum_us());
  both -= first;
  EXPECT_EQ(both.buckets(), second.buckets());
  EXPECT_EQ(both.count(), second.count());
  EXPECT_EQ(both.sum_us(), second.sum_us());
}

TEST(Histogram, TakingAwayWhatIsNoOlderCopyStopsAtZero) {
  LatencyHistogram fresh;
  fresh.add(microseconds{5});
  fresh.add(microseconds{100});
  LatencyHistogram foreign;
  for (int i = 0; i < 10; ++i) foreign.add(microseconds{100});
  fresh -= foreign;
  EXPECT_EQ(fresh.count(), 1U);
  EXPECT_EQ(fresh.count(), sum_of_buckets(fresh));
  EXPECT_EQ(fresh.sum_us(), 0U);
}

}  // namespace
}  // namespace tcpeek::ipc
