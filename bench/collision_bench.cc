// Keys chosen by an attacker who knows this code, but not the secret drawn at start, compared with random
// ones: for the table and for steering. Items are keys.
//
// sequential   one source after the other, one port after the other
// strided      sources that differ in their highest bits alone, and 256 ports
// one_word     equal in 32 of the 36 bytes: only the ports differ
// other_secret all in a 4096th of the table, found by search under another secret (for steering: all
//              one reader's under another key)
//
// known_secret shows that the search works: those last keys, against a table with that secret.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "bench/random_keys.h"
#include "engine/pipeline/flow_owner.h"
#include "flowtable/table.h"
#include "tests/support/secret.h"

namespace {

using namespace tcpeek;
using namespace tcpeek::flowtable;
using Keys = std::vector<FlowKey>;

constexpr std::size_t kBatch = 32;
constexpr std::size_t kKeys = kBatch * 3125;  // 100,000
constexpr unsigned kReaders = 8;
constexpr unsigned kSearchBits = 12;
constexpr std::uint64_t kOurSeed = 1;
constexpr std::uint64_t kOtherSeed = 2;

// An address whose last four bytes are `low`.
IpAddress address(std::uint32_t low, bool ipv6) {
  IpAddress bytes{0x20, 0x01, 0x0d, 0xb8};
  if (!ipv6) bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  for (std::size_t i = 0; i < 4; ++i)
    bytes[12 + i] = static_cast<std::uint8_t>(low >> (24 - 8 * i));
  return bytes;
}

FlowKey key_of(std::uint32_t source, std::uint16_t port, bool ipv6, std::uint16_t service = 443) {
  return make_key({address(source, ipv6), port}, {address(0xC0000201, ipv6), service}).key;
}

template <class Fn>
Keys make_keys(Fn&& fn) {
  Keys keys;
  keys.reserve(kKeys);
  for (std::uint32_t i = 0; i < kKeys; ++i) keys.push_back(fn(i));
  return keys;
}

ring::SteeringKey steering_key(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::array<std::uint32_t, 4> words;
  for (auto& word : words) word = static_cast<std::uint32_t>(random());
  return ring::SteeringKey::from(words);
}

// Keys with `wanted(key)`, from all that an attacker can send.
template <class Fn>
Keys search(bool ipv6, Fn&& wanted) {
  Keys keys;
  keys.reserve(kKeys);
  for (std::uint32_t n = 0; keys.size() < kKeys; ++n) {
    const FlowKey key =
        key_of(0x0A000000U + (n >> 14), static_cast<std::uint16_t>(n | 0xC000), ipv6);
    if (wanted(key)) keys.push_back(key);
  }
  return keys;
}

enum Set : std::int64_t { random_set, sequential, strided, one_word, other_secret };
constexpr std::array<const char*, 5> kNames{"random", "sequential", "strided", "one_word",
                                            "other_secret"};

Keys plain_keys(Set set, bool ipv6) {
  switch (set) {
    case sequential:
      return make_keys([&](std::uint32_t i) {
        return key_of(0x0A000000U + i / 1000, static_cast<std::uint16_t>(1024 + i % 1000), ipv6);
      });
    case strided:
      return make_keys([&](std::uint32_t i) {
        return key_of(i / 256 << 20 | 1, static_cast<std::uint16_t>(i % 256 << 8), ipv6);
      });
    case one_word:
      return make_keys([&](std::uint32_t i) {
        const auto port = static_cast<std::uint16_t>(i % 65536);
        return key_of(0x0A000001, port, ipv6, static_cast<std::uint16_t>(443 + i / 65536));
      });
    default:
      return bench::random_keys(kKeys, ipv6, 1);
  }
}

// Searched for once; it takes seconds.
const Keys& table_colliding(bool ipv6) {
  const auto found = [](bool v6) {
    const KeyHash hash(flowtable::test::secret_of(kOtherSeed));
    return search(v6, [&](const FlowKey& key) { return hash(key) >> (64 - kSearchBits) == 0; });
  };
  static const std::array<Keys, 2> keys{found(false), found(true)};
  return keys[ipv6 ? 1 : 0];
}

Keys steering_colliding(bool ipv6) {
  const ring::SteeringKey other = steering_key(kOtherSeed);
  return search(ipv6,
                [&](const FlowKey& key) { return engine::owner_of(key, other, kReaders) == 0; });
}

// Puts all keys in, then looks them all up; returns how many pending ones were evicted.
std::uint64_t insert_and_find(AttemptTable& table, const Keys& keys) {
  std::uint64_t evicted = 0;
  for (const bool opening : {true, false}) {
    for (std::span<const FlowKey> rest(keys); !rest.empty(); rest = rest.subspan(kBatch)) {
      std::array<AttemptTable::Home, kBatch> homes;
      for (std::size_t i = 0; i < kBatch; ++i) {
        homes[i] = table.home(rest[i]);
        table.prefetch(homes[i]);
      }
      for (const auto& home : homes) {
        if (!table.prefetch_found(home) && opening) table.prefetch_room(home);
      }
      for (std::size_t i = 0; i < kBatch; ++i) {
        if (table.find(rest[i], homes[i]) || !opening) continue;
        const auto place = table.place(homes[i], table.full());
        evicted += place.evicts ? 1 : 0;
        table.put(place.slot, rest[i], homes[i]).first_syn = {};
        table.set_deadline(place.slot, Tick{1});
      }
    }
  }
  return evicted;
}

void run_table(benchmark::State& state, const Keys& keys, std::uint64_t seed) {
  AttemptTable table(kKeys, flowtable::test::secret_of(seed));
  std::uint64_t evicted = 0;
  for (auto _ : state) {
    evicted += insert_and_find(table, keys);
    state.PauseTiming();
    for (const FlowKey& key : keys) {
      if (const Slot slot = table.find(key, table.home(key))) table.erase(slot);
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kKeys));
  state.counters["evicted"] =
      static_cast<double>(evicted) / static_cast<double>(state.iterations());
}

void table(benchmark::State& state) {
  const auto set = static_cast<Set>(state.range(0));
  const bool ipv6 = state.range(1) == 6;
  run_table(state, set == other_secret ? table_colliding(ipv6) : plain_keys(set, ipv6), kOurSeed);
  state.SetLabel(kNames[static_cast<std::size_t>(set)]);
}

void table_known_secret(benchmark::State& state) {
  run_table(state, table_colliding(state.range(0) == 6), kOtherSeed);
}

// The largest reader's share divided by the mean share, under keys as the program draws them: the median
// and the worst of kDraws draws.
void steering(benchmark::State& state) {
  constexpr std::uint64_t kDraws = 64;
  const auto set = static_cast<Set>(state.range(0));
  const bool ipv6 = state.range(1) == 6;
  const Keys keys = set == other_secret ? steering_colliding(ipv6) : plain_keys(set, ipv6);
  std::vector<double> spreads;
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    const ring::SteeringKey ours = steering_key(1000 + draw);
    std::array<std::size_t, kReaders> shares{};
    for (const FlowKey& key : keys) ++shares[engine::owner_of(key, ours, kReaders)];
    const auto largest = static_cast<double>(*std::max_element(shares.begin(), shares.end()));
    spreads.push_back(largest * kReaders / static_cast<double>(keys.size()));
  }
  std::sort(spreads.begin(), spreads.end());
  const ring::SteeringKey ours = steering_key(kOurSeed);
  for (auto _ : state) {
    unsigned sum = 0;
    for (const FlowKey& key : keys) sum += engine::owner_of(key, ours, kReaders);
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kKeys));
  state.counters["largest_by_mean"] = spreads[spreads.size() / 2];
  state.counters["worst_draw"] = spreads.back();
  state.SetLabel(kNames[static_cast<std::size_t>(set)]);
}

void arguments(benchmark::internal::Benchmark* b) {
  b->ArgNames({"set", "ip"})
      ->ArgsProduct({{random_set, sequential, strided, one_word, other_secret}, {4, 6}})
      ->Unit(benchmark::kMicrosecond);
}
BENCHMARK(table)->Apply(arguments);
BENCHMARK(table_known_secret)->ArgName("ip")->Arg(4)->Arg(6)->Unit(benchmark::kMicrosecond);
BENCHMARK(steering)->Apply(arguments);

}  // namespace

BENCHMARK_MAIN();
