// The flow table alone, with a million random keys: find, insert, erase, in batches as the tracker
// does it. table_bench_absl.cc and table_bench_dpdk.cc, where these libraries are installed, do the
// same with the same keys in the same order. Items are keys.
//
// What is compared: every table looks up 32 keys at a time and reads a word of the value of each key it
// finds, as a look-up normally does; every table has its memory in huge pages where the kernel provides
// them. The others get the room they work best with (a load of 48%), ours what it gets in the program
// (93%): `bytes_per_key` shows what that costs.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <span>

#include "bench/random_keys.h"
#include "flowtable/table.h"
#include "tests/support/secret.h"

namespace {

using namespace tcpeek;
using namespace tcpeek::flowtable;

constexpr std::size_t kBatch = 32;
static_assert(bench::kTableKeys % kBatch == 0);

// What the tracker does for a batch of segments: fn(key, home) once the memory is being fetched.
template <class Fn>
void in_batches(const AttemptTable& table, std::span<const FlowKey> keys, bool opening, Fn&& fn) {
  std::array<AttemptTable::Home, kBatch> homes;
  for (; !keys.empty(); keys = keys.subspan(kBatch)) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      homes[i] = table.home(keys[i]);
      table.prefetch(homes[i]);
    }
    for (const auto& home : homes) {
      if (!table.prefetch_found(home) && opening) table.prefetch_room(home);
    }
    for (std::size_t i = 0; i < kBatch; ++i) fn(keys[i], homes[i]);
  }
}

void insert_all(AttemptTable& table, std::span<const FlowKey> keys) {
  in_batches(table, keys, true, [&](const FlowKey& key, const AttemptTable::Home& home) {
    if (table.find(key, home)) return;
    const auto place = table.place(home, table.full());
    table.put(place.slot, key, home).first_syn = PacketTime(std::chrono::seconds(1));
    table.set_deadline(place.slot, Tick{1});
  });
}

void erase_all(AttemptTable& table, std::span<const FlowKey> keys) {
  in_batches(table, keys, false, [&](const FlowKey& key, const AttemptTable::Home& home) {
    if (const Slot slot = table.find(key, home)) table.erase(slot);
  });
}

void finish(benchmark::State& state, const AttemptTable& table) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(bench::kTableKeys));
  state.counters["bytes_per_key"] =
      static_cast<double>(table.memory_bytes()) / static_cast<double>(table.capacity());
}

const bench::TableKeys& keys_of(const benchmark::State& state) {
  return bench::table_keys(state.range(0) == 6);
}

AttemptTable make_table() {
  return {bench::kTableKeys, flowtable::test::secret_of(1)};
}

void find(benchmark::State& state, const std::vector<FlowKey>& wanted) {
  AttemptTable table = make_table();
  insert_all(table, keys_of(state).present);
  for (auto _ : state) {
    std::int64_t sum = 0;
    in_batches(table, wanted, false, [&](const FlowKey& key, const AttemptTable::Home& home) {
      if (const Slot slot = table.find(key, home))
        sum += table[slot].first_syn.time_since_epoch().count();
    });
    benchmark::DoNotOptimize(sum);
  }
  finish(state, table);
}

void ours_find_hit(benchmark::State& state) {
  find(state, keys_of(state).shuffled);
}
void ours_find_miss(benchmark::State& state) {
  find(state, keys_of(state).absent);
}

void ours_insert(benchmark::State& state) {
  AttemptTable table = make_table();
  for (auto _ : state) {
    insert_all(table, keys_of(state).present);
    state.PauseTiming();
    erase_all(table, keys_of(state).shuffled);
    state.ResumeTiming();
  }
  finish(state, table);
}

void ours_erase(benchmark::State& state) {
  AttemptTable table = make_table();
  for (auto _ : state) {
    state.PauseTiming();
    insert_all(table, keys_of(state).present);
    state.ResumeTiming();
    erase_all(table, keys_of(state).shuffled);
  }
  finish(state, table);
}

// Memory for each half-open attempt, index and expiry included, at the capacity that was asked for.
void ours_memory(benchmark::State& state) {
  const auto capacity = static_cast<std::uint64_t>(state.range(0));
  for (auto _ : state) {
    const AttemptTable table(capacity, flowtable::test::secret_of(1));
    state.counters["bytes_per_attempt"] =
        static_cast<double>(table.memory_bytes()) / static_cast<double>(table.capacity());
  }
}

BENCHMARK(ours_find_hit)->ArgName("ip")->Arg(4)->Arg(6)->Unit(benchmark::kMillisecond);
BENCHMARK(ours_find_miss)->ArgName("ip")->Arg(4)->Arg(6)->Unit(benchmark::kMillisecond);
BENCHMARK(ours_insert)->ArgName("ip")->Arg(4)->Arg(6)->Unit(benchmark::kMillisecond);
BENCHMARK(ours_erase)->ArgName("ip")->Arg(4)->Arg(6)->Unit(benchmark::kMillisecond);
BENCHMARK(ours_memory)
    ->ArgName("capacity")
    ->Arg(1'000)
    ->Arg(1'000'000)
    ->Arg(10'000'000)
    ->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
