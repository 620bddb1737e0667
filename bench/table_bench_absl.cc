// The same as table_bench.cc with absl::flat_hash_map: reserved beforehand, hashing each key once,
// with prefetch() over a batch, which users can call but seldom do (`prefetch:0` is without).
// `keyed` takes the flow table's keyed hash, `plain` is absl::Hash over the 36 bytes.

#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <new>
#include <span>

#include "bench/random_keys.h"
#include "flowtable/attempt.h"
#include "flowtable/key_hash.h"
#include "tests/support/secret.h"

namespace {

using namespace tcpeek;
using namespace tcpeek::flowtable;

constexpr std::size_t kBatch = 32;

// An attempt without its key: with it, 80 bytes.
struct Value {
  std::uint32_t tag = 0;
  PacketTime first_syn{};
  Handshake handshake;
};
static_assert(sizeof(std::pair<const FlowKey, Value>) <= 88);

struct Keyed {
  std::size_t operator()(const FlowKey& key) const noexcept {
    static const KeyHash hash(flowtable::test::secret_of(1));
    return hash(key);
  }
};
struct Plain {
  std::size_t operator()(const FlowKey& key) const noexcept {
    return absl::Hash<absl::string_view>()({reinterpret_cast<const char*>(&key), sizeof key});
  }
};

// A key that knows its hash, so that prefetch() and what follows share it.
struct HashedKey {
  const FlowKey* key = nullptr;
  std::size_t hash = 0;
  explicit operator FlowKey() const noexcept { return *key; }
};

template <class Hash>
struct OnceHash {
  using is_transparent = void;
  std::size_t operator()(const FlowKey& key) const noexcept { return Hash()(key); }
  std::size_t operator()(const HashedKey& key) const noexcept { return key.hash; }
};

struct Equal {
  using is_transparent = void;
  bool operator()(const FlowKey& a, const FlowKey& b) const noexcept { return a == b; }
  bool operator()(const FlowKey& a, const HashedKey& b) const noexcept { return a == *b.key; }
  bool operator()(const HashedKey& a, const FlowKey& b) const noexcept { return *a.key == b; }
};

// Huge pages, as our table has them.
template <class T>
struct HugeAllocator {
  using value_type = T;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  HugeAllocator() = default;
  template <class U>
  explicit HugeAllocator(const HugeAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) {
    const std::size_t bytes = (count * sizeof(T) + kHugePage - 1) / kHugePage * kHugePage;
    void* memory = ::operator new (bytes, std::align_val_t{kHugePage});
    static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) noexcept {
    ::operator delete (static_cast<void*>(memory), std::align_val_t{kHugePage});
  }
  friend bool operator==(const HugeAllocator&, const HugeAllocator&) { return true; }
};

template <class Hash>
using Map = absl::flat_hash_map<FlowKey, Value, OnceHash<Hash>, Equal,
                                HugeAllocator<std::pair<const FlowKey, Value>>>;

template <class Hash, class Fn>
void in_batches(const Map<Hash>& map, std::span<const FlowKey> keys, bool prefetch, Fn&& fn) {
  std::array<HashedKey, kBatch> hashed;
  for (; !keys.empty(); keys = keys.subspan(kBatch)) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      hashed[i] = {&keys[i], Hash()(keys[i])};
      if (prefetch) map.prefetch(hashed[i]);
    }
    for (const HashedKey& key : hashed) fn(key);
  }
}

template <class Hash>
void insert_all(Map<Hash>& map, std::span<const FlowKey> keys, bool prefetch) {
  in_batches<Hash>(map, keys, prefetch, [&](const HashedKey& key) {
    map.try_emplace(key).first->second.first_syn = PacketTime(std::chrono::seconds(1));
  });
}

template <class Hash>
void erase_all(Map<Hash>& map, std::span<const FlowKey> keys, bool prefetch) {
  in_batches<Hash>(map, keys, prefetch, [&](const HashedKey& key) {
    if (const auto it = map.find(key); it != map.end()) map.erase(it);
  });
}

template <class Hash>
Map<Hash> make_map() {
  Map<Hash> map;
  map.reserve(bench::kTableKeys);
  return map;
}

template <class Hash>
void finish(benchmark::State& state, const Map<Hash>& map) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(bench::kTableKeys));
  // A control byte and the pair for each place.
  const std::size_t bytes = map.capacity() * (1 + sizeof(std::pair<const FlowKey, Value>));
  state.counters["bytes_per_key"] =
      static_cast<double>(bytes) / static_cast<double>(bench::kTableKeys);
}

const bench::TableKeys& keys_of(const benchmark::State& state) {
  return bench::table_keys(state.range(0) == 6);
}

template <class Hash>
void find(benchmark::State& state, const std::vector<FlowKey>& wanted) {
  const bool prefetch = state.range(1) != 0;
  auto map = make_map<Hash>();
  insert_all<Hash>(map, keys_of(state).present, prefetch);
  for (auto _ : state) {
    std::int64_t sum = 0;
    in_batches<Hash>(map, wanted, prefetch, [&](const HashedKey& key) {
      const auto it = map.find(key);
      if (it != map.end()) sum += it->second.first_syn.time_since_epoch().count();
    });
    benchmark::DoNotOptimize(sum);
  }
  finish<Hash>(state, map);
}

template <class Hash>
void absl_find_hit(benchmark::State& state) {
  find<Hash>(state, keys_of(state).shuffled);
}
template <class Hash>
void absl_find_miss(benchmark::State& state) {
  find<Hash>(state, keys_of(state).absent);
}

// At this load nearly every erased slot becomes empty, not a tombstone, so the map stays like new.
template <class Hash>
void absl_insert(benchmark::State& state) {
  auto map = make_map<Hash>();
  // The first touch of a page is the kernel's time.
  insert_all<Hash>(map, keys_of(state).present, true);
  erase_all<Hash>(map, keys_of(state).shuffled, true);
  for (auto _ : state) {
    insert_all<Hash>(map, keys_of(state).present, state.range(1) != 0);
    state.PauseTiming();
    erase_all<Hash>(map, keys_of(state).shuffled, true);
    state.ResumeTiming();
  }
  finish<Hash>(state, map);
}

template <class Hash>
void absl_erase(benchmark::State& state) {
  auto map = make_map<Hash>();
  for (auto _ : state) {
    state.PauseTiming();
    insert_all<Hash>(map, keys_of(state).present, true);
    state.ResumeTiming();
    erase_all<Hash>(map, keys_of(state).shuffled, state.range(1) != 0);
  }
  finish<Hash>(state, map);
}

void arguments(benchmark::internal::Benchmark* b) {
  b->ArgNames({"ip", "prefetch"})->ArgsProduct({{4, 6}, {0, 1}})->Unit(benchmark::kMillisecond);
}

BENCHMARK_TEMPLATE(absl_find_hit, Plain)->Apply(arguments);
BENCHMARK_TEMPLATE(absl_find_hit, Keyed)->Apply(arguments);
BENCHMARK_TEMPLATE(absl_find_miss, Plain)->Apply(arguments);
BENCHMARK_TEMPLATE(absl_find_miss, Keyed)->Apply(arguments);
BENCHMARK_TEMPLATE(absl_insert, Plain)->Apply(arguments);
BENCHMARK_TEMPLATE(absl_insert, Keyed)->Apply(arguments);
BENCHMARK_TEMPLATE(absl_erase, Plain)->Apply(arguments);
BENCHMARK_TEMPLATE(absl_erase, Keyed)->Apply(arguments);

}  // namespace
