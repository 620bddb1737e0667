// The flow key and its hash: one key for both directions, a spread that no choice of addresses
// spoils, and a secret that matters.

#include "flowtable/key_hash.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <set>
#include <vector>

#include "flowtable/flow_key.h"
#include "tests/support/secret.h"
#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {
namespace {

TEST(FlowKey, IsTheSameInBothDirections) {
  const std::vector<Endpoint> ends{v4(1, 1), v4(1, 2),  v4(2, 1),     v4(255, 65535),
                                   v6(1, 1), v6(1, 80), v6(200, 443), v6(1, 0)};
  for (const Endpoint& a : ends) {
    for (const Endpoint& b : ends) {
      const DirectedKey there = make_key(a, b);
      const DirectedKey back = make_key(b, a);
      EXPECT_EQ(there.key, back.key);
      EXPECT_EQ(there.key.end(there.sender), a);
      EXPECT_EQ(there.key.end(other(there.sender)), b);
      EXPECT_EQ(back.key.end(back.sender), b);
      if (a != b) {
        EXPECT_NE(there.sender, back.sender);
      }
    }
  }
}

TEST(FlowKey, TellsEveryPartApart) {
  const FlowKey key = make_key(v4(1, 1000), v4(2, 80)).key;
  EXPECT_FALSE(key == make_key(v4(1, 1001), v4(2, 80)).key);
  EXPECT_FALSE(key == make_key(v4(1, 1000), v4(2, 81)).key);
  EXPECT_FALSE(key == make_key(v4(3, 1000), v4(2, 80)).key);
  EXPECT_FALSE(key == make_key(v4(1, 1000), v4(3, 80)).key);
  EXPECT_FALSE(key == make_key(v4(1, 80), v4(2, 1000)).key) << "ports belong to their addresses";
  EXPECT_FALSE(key == make_key(v6(1, 1000), v6(2, 80)).key);
}

TEST(FlowKey, KnowsTheFamily) {
  EXPECT_TRUE(is_v4(v4(1, 1).address));
  EXPECT_FALSE(is_v4(v6(1, 1).address));
  EXPECT_FALSE(is_v4(IpAddress{})) << ":: is no IPv4-mapped address";
}

TEST(KeyHash, DependsOnKeyAndSecretAlone) {
  const FlowKey key = make_key(v4(1, 1000), v4(2, 80)).key;
  const KeyHash hash(secret_of(1));
  EXPECT_EQ(hash(key), KeyHash(secret_of(1))(make_key(v4(2, 80), v4(1, 1000)).key));
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) hashes.insert(KeyHash(secret_of(seed))(key));
  EXPECT_EQ(hashes.size(), 1000U) << "secrets share a hash";
}

// Each bit of the key changes about half of the bits of the hash.
TEST(KeyHash, EveryBitOfTheKeyMatters) {
  const KeyHash hash(secret_of(3));
  for (const FlowKey& key :
       {make_key(v4(1, 1000), v4(2, 80)).key, make_key(v6(1, 1), v6(2, 2)).key}) {
    for (std::size_t bit = 0; bit < sizeof(FlowKey) * 8; ++bit) {
      FlowKey changed = key;
      auto* bytes = reinterpret_cast<unsigned char*>(&changed);
      bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ (1U << (bit % 8)));
      const int flipped = __builtin_popcountll(hash(key) ^ hash(changed));
      EXPECT_GE(flipped, 10) << bit;
      EXPECT_LE(flipped, 54) << bit;
    }
  }
}

// Chi-square over 1,000 buckets: 999 expected, 45 its standard deviation.
double chi_square(const KeyHash& hash, const std::function<FlowKey(unsigned)>& key_of, int shift) {
  constexpr unsigned kKeys = 200'000;
  constexpr unsigned kBuckets = 1000;
  std::vector<double> buckets(kBuckets);
  for (unsigned i = 0; i < kKeys; ++i) {
    const std::uint64_t bits = (hash(key_of(i)) >> shift) & 0xffff'ffff;
    buckets[static_cast<std::size_t>((bits * kBuckets) >> 32)] += 1;
  }
  constexpr double kExpected = static_cast<double>(kKeys) / kBuckets;
  double sum = 0;
  for (const double n : buckets) sum += (n - kExpected) * (n - kExpected) / kExpected;
  return sum;
}

TEST(KeyHash, SpreadsWhatRealTrafficLooksLike) {
  const auto byte = [](unsigned i, int shift) { return static_cast<std::uint8_t>(i >> shift); };
  const std::vector<std::function<FlowKey(unsigned)>> traffics{
      // One client, one server, ports counted up.
      [&](unsigned i) {
        return make_key(v4(1, static_cast<std::uint16_t>(i)),
                        v4(2, static_cast<std::uint16_t>(80 + (i >> 16))))
            .key;
      },
      // A flood from addresses counted up, one port.
      [&](unsigned i) {
        Endpoint from = v4(byte(i, 0), 40'000);
        from.address[13] = byte(i, 16);
        from.address[14] = byte(i, 8);
        return make_key(from, v4(9, 80)).key;
      },
      // The same with IPv6.
      [&](unsigned i) {
        Endpoint from = v6(byte(i, 0), 40'000);
        from.address[9] = byte(i, 16);
        from.address[14] = byte(i, 8);
        return make_key(from, v6(9, 80)).key;
      },
  };
  for (std::size_t t = 0; t < traffics.size(); ++t) {
    for (const int shift : {0, 32}) {
      const double sum = chi_square(KeyHash(secret_of(5 + t)), traffics[t], shift);
      EXPECT_GT(sum, 999 - 6 * 45.0) << "traffic " << t << " from bit " << shift;
      EXPECT_LT(sum, 999 + 6 * 45.0) << "traffic " << t << " from bit " << shift;
    }
  }
}

}  // namespace
}  // namespace tcpeek::flowtable::test
