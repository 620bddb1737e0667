// Who failed most is known within the error that is told, whatever comes in whatever order; and attempts
// are never too few.
#include "engine/pipeline/failure_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>

#include "engine/pipeline/address_hash.h"
#include "engine/pipeline/attempt_sketch.h"
#include "tests/support/seeds.h"

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using tcpeek::test::for_each_seed;

const AddressHash kHash({0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d1});

PeerKey peer(std::uint64_t n) {
  PeerKey key;
  std::memcpy(key.first.data(), &n, sizeof n);
  return key;
}

std::uint64_t hash_of(std::uint64_t n) {
  return kHash(peer(n).first);
}

struct Counted {
  FailureSketch sketch;
  std::map<std::uint64_t, std::uint64_t> truth;
  std::uint64_t total = 0;

  void fail(std::uint64_t n, Cause cause = Cause::no_answer) {
    sketch.failed(peer(n), hash_of(n), cause, static_cast<std::int64_t>(++total));
    ++truth[n];
  }

  void check_bounds() const {
    ASSERT_TRUE(sketch.consistent());
    ASSERT_LE(sketch.floor(), total / FailureSketch::kEntries);
    for (const auto& [n, failures] : truth) {
      const PeerFailures* found = sketch.find(peer(n), hash_of(n));
      if (found == nullptr) {
        ASSERT_LE(failures, sketch.unlisted(hash_of(n)));
        continue;
      }
      ASSERT_GE(found->failures, failures);
      ASSERT_LE(found->failures - found->error, failures);
      ASSERT_LE(found->error, sketch.floor());
    }
  }
};

TEST(FailureSketch, IsExactWhileThereIsRoom) {
  Counted c;
  for (std::uint64_t n = 0; n < 100; ++n) {
    for (std::uint64_t i = 0; i <= n; ++i) c.fail(n, i % 2 == 0 ? Cause::refused : Cause::no_ack);
  }
  EXPECT_EQ(c.sketch.size(), 100U);
  EXPECT_EQ(c.sketch.floor(), 0U);
  for (std::size_t rank = 0; rank < 100; ++rank) {
    const PeerFailures& found = c.sketch.ranked(rank);
    EXPECT_EQ(found.failures, 100 - rank);
    EXPECT_EQ(found.key, peer(99 - rank));
    EXPECT_EQ(found.error, 0U);
    EXPECT_EQ(found.counted.refused, (101 - rank) / 2);
    EXPECT_EQ(found.counted.total(), found.failures);
    EXPECT_LE(found.first, found.last);
  }
  c.check_bounds();
}

void holds_for_random(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Counted c;
  std::geometric_distribution<std::uint64_t> skewed(0.0005);
  for (int i = 0; i < 60'000; ++i) {
    c.fail(random() % 3 == 0 ? 1'000'000 + random() % 200'000 : skewed(random));
  }
  c.check_bounds();
}

TEST(FailureSketch, BoundsHoldForRandomStreams) {
  for_each_seed(4, holds_for_random);
}

// Each peer fails just as often as it takes to get an entry, and is then pushed out by the next ones.
TEST(FailureSketch, BoundsHoldWhenEntriesAreFoughtFor) {
  Counted c;
  for (std::uint64_t round = 0; round < 6; ++round) {
    for (std::uint64_t n = 0; n < 3 * FailureSketch::kEntries; ++n) {
      c.fail(round % 2 == 0 ? n : 3 * FailureSketch::kEntries - n);
    }
    c.check_bounds();
  }
  // The same ones, always the next.
  for (int i = 0; i < 50'000; ++i)
    c.fail(static_cast<std::uint64_t>(i) % (FailureSketch::kEntries + 1));
  c.check_bounds();
}

TEST(FailureSketch, BeginsAnew) {
  Counted c;
  for (std::uint64_t n = 0; n < 10'000; ++n) c.fail(n % 5000);
  c.sketch.clear();
  c.truth.clear();
  c.total = 0;
  EXPECT_EQ(c.sketch.size(), 0U);
  for (std::uint64_t n = 0; n < 10'000; ++n) c.fail(n % 6000);
  c.check_bounds();
}

// Ten million peers that fail once each, and twenty that fail more often than the bound.
TEST(FailureSketch, TwentyAmongTenMillionAreFound) {
  constexpr std::uint64_t kPeers = 10'000'000;
  constexpr std::uint64_t kHeavy = 20;
  const auto sketch = std::make_unique<FailureSketch>();
  const std::uint64_t failures_of_first = 2 * kPeers / FailureSketch::kEntries + 1000;
  std::uint64_t total = 0;
  const auto fail = [&](std::uint64_t n) {
    sketch->failed(peer(n), hash_of(n), Cause::no_answer, static_cast<std::int64_t>(++total));
  };
  std::map<std::uint64_t, std::uint64_t> heavy;
  for (std::uint64_t n = 0; n < kPeers; ++n) {
    fail(kHeavy + n);
    const std::uint64_t h = n % kHeavy;
    // The last of them fails 20 x 150 times more than the first.
    if (n / kHeavy < failures_of_first + h * 150) {
      fail(h);
      ++heavy[h];
    }
  }
  EXPECT_LE(sketch->floor(), total / FailureSketch::kEntries);
  std::uint64_t found = 0;
  for (std::size_t rank = 0; rank < kHeavy; ++rank) {
    const PeerFailures& each = sketch->ranked(rank);
    std::uint64_t n = 0;
    std::memcpy(&n, each.key.first.data(), sizeof n);
    ASSERT_LT(n, kHeavy) << "one of those that failed once, at rank " << rank;
    EXPECT_GE(each.failures, heavy[n]);
    EXPECT_LE(each.failures - each.error, heavy[n]);
    ++found;
  }
  EXPECT_EQ(found, kHeavy);
  EXPECT_LE(FailureSketch::memory_bytes(), 1U << 20) << "whatever came";
}

TEST(AttemptSketch, NeverTooFewAndSeldomTooMany) {
  AttemptSketch sketch;
  const auto add = [&](std::uint64_t n) {
    sketch.add(AttemptSketch::cell_of(hash_of(n)));
    sketch.expect(1);
  };
  constexpr std::uint64_t kKeys = 1'000'000;
  constexpr std::uint64_t kOften = 1000;
  for (std::uint64_t n = 0; n < kKeys; ++n) add(n);
  for (std::uint64_t n = 0; n < kOften; ++n) {
    for (std::uint64_t i = 0; i < n; ++i) add(n);
  }
  std::uint64_t beyond = 0;
  for (std::uint64_t n = 0; n < kKeys; ++n) {
    const std::uint64_t truth = 1 + (n < kOften ? n : 0);
    const std::uint64_t estimate = sketch.estimate(hash_of(n));
    ASSERT_GE(estimate, truth);
    beyond += estimate > truth + sketch.error();
  }
  EXPECT_EQ(sketch.total(), kKeys + kOften * (kOften - 1) / 2);
  EXPECT_LT(beyond, kKeys / 8);
  sketch.clear();
  EXPECT_EQ(sketch.estimate(hash_of(5)), 0U);
}

}  // namespace
}  // namespace tcpeek::engine
