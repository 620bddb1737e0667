// Classic buckets out of log-linear ones: counts are exact, and quantiles are within one bucket of the exact ones.
#include "ipc/metrics_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/seeds.h"

namespace tcpeek::ipc {
namespace {

std::size_t classic_bucket(std::uint64_t us) {
  std::size_t bucket = 0;
  while (bucket < kMetricsBuckets && us >= kMetricsBoundsUs.at(bucket)) ++bucket;
  return bucket;
}

// The bucket that Prometheus takes a quantile from: the first with as many values at or below its bound.
std::size_t bucket_of_quantile(const std::array<std::uint64_t, kMetricsBuckets>& below,
                               std::uint64_t count, double q) {
  const double rank = q * static_cast<double>(count);
  const auto found = std::ranges::find_if(
      below, [&](std::uint64_t passed) { return static_cast<double>(passed) >= rank; });
  return static_cast<std::size_t>(found - below.begin());
}

TEST(MetricsBuckets, CountsAreThoseOfTheValuesThemselves) {
  tcpeek::test::for_each_seed(200, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::lognormal_distribution<double> spread(std::uniform_real_distribution(2.0, 16.0)(random),
                                               std::uniform_real_distribution(0.1, 4.0)(random));
    std::vector<std::uint64_t> values(1 + random() % 2000);
    LatencyHistogram histogram;
    for (std::uint64_t& value : values) {
      value = static_cast<std::uint64_t>(std::min(spread(random), 1e9));
      histogram.add(std::chrono::microseconds(static_cast<std::int64_t>(value)));
    }
    std::ranges::sort(values);
    const auto below = counts_below_bounds(histogram);
    for (std::size_t i = 0; i < kMetricsBuckets; ++i) {
      const auto end = std::ranges::lower_bound(values, kMetricsBoundsUs.at(i));
      ASSERT_EQ(below.at(i), static_cast<std::uint64_t>(end - values.begin())) << i;
    }
    for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
      const std::uint64_t exact = values[std::max<std::size_t>(rank, 1) - 1];
      ASSERT_EQ(bucket_of_quantile(below, histogram.count(), q), classic_bucket(exact)) << q;
    }
  });
}

}  // namespace
}  // namespace tcpeek::ipc
