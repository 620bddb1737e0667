// The same as table_bench.cc with DPDK's rte_hash: bulk look-ups, CRC32 by the processor's own
// instruction (without a secret, so anybody can choose collisions), values in an array of the caller's at
// the positions that rte_hash returns. There is no bulk insert or erase; `warmed:1` looks the batch up in
// bulk before, so that the memory is cached.
//
// DPDK runs without its own huge pages, which an administrator would have to reserve: the kernel is
// asked for transparent ones, as for our table. The label shows how much the whole program got.

#include <benchmark/benchmark.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_memory.h>
#include <sched.h>
#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "bench/random_keys.h"
#include "flowtable/attempt.h"
#include "flowtable/page_array.h"

namespace {

using namespace tcpeek;
using namespace tcpeek::flowtable;

constexpr std::size_t kBatch = 32;
constexpr std::uint32_t kEntries = 2'000'000;  // of 2^21: the load of absl's map
static_assert(kBatch <= RTE_HASH_LOOKUP_BULK_MAX);

// An attempt without its key.
struct Value {
  std::uint32_t tag;
  PacketTime first_syn;
  Handshake handshake;
};

// Without huge pages DPDK's memory is a file, which cannot get transparent ones: right after the start,
// while it is nearly empty, it is replaced by anonymous memory, which can.
int move_to_huge_pages(const rte_memseg_list* list, void*) {
  constexpr int kAccess = PROT_READ | PROT_WRITE;
  constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
  void* const copy = ::mmap(nullptr, list->len, kAccess, kPrivate, -1, 0);
  if (copy == MAP_FAILED) return -1;
  std::memcpy(copy, list->base_va, list->len);
  void* const place = ::mmap(list->base_va, list->len, kAccess, kPrivate | MAP_FIXED, -1, 0);
  if (place == MAP_FAILED) return -1;
  static_cast<void>(::madvise(place, list->len, MADV_HUGEPAGE));
  std::memcpy(place, copy, list->len);
  ::munmap(copy, list->len);
  return 0;
}

bool start_dpdk() {
  cpu_set_t before;
  CPU_ZERO(&before);
  static_cast<void>(::sched_getaffinity(0, sizeof before, &before));
  std::array<std::string, 8> arguments{"table_bench", "--no-huge",        "--no-pci",
                                       "--no-shconf", "--no-telemetry",   "-m",
                                       "256",         "--log-level=error"};
  std::array<char*, 8> pointers;
  for (std::size_t i = 0; i < arguments.size(); ++i) pointers[i] = arguments[i].data();
  const bool started = ::rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) >= 0;
  // DPDK pins the thread that starts it; the other tables are not pinned.
  static_cast<void>(::sched_setaffinity(0, sizeof before, &before));
  return started && ::rte_memseg_list_walk(move_to_huge_pages, nullptr) == 0;
}

std::string kilobytes_of_huge_pages() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  std::string line;
  while (std::getline(rollup, line)) {
    if (line.starts_with("AnonHugePages:")) return line.substr(line.find_first_not_of(' ', 14));
  }
  return "unknown";
}

class Table {
 public:
  Table() : values_(kEntries + 1) {
    static const bool started = start_dpdk();
    if (!started) throw std::runtime_error("DPDK does not start");
    rte_hash_parameters parameters{};
    parameters.name = "table_bench";
    parameters.entries = kEntries;
    parameters.key_len = sizeof(FlowKey);
    parameters.hash_func = rte_hash_crc;
    table_.reset(::rte_hash_create(&parameters));
    if (!table_) throw std::runtime_error("DPDK has no memory for the table");
  }

  // fn(values): those of the keys found, their memory being fetched.
  template <class Fn>
  void find(std::span<const FlowKey> keys, Fn&& fn) {
    std::array<const void*, kBatch> wanted;
    std::array<std::int32_t, kBatch> places;
    for (; !keys.empty(); keys = keys.subspan(kBatch)) {
      for (std::size_t i = 0; i < kBatch; ++i) wanted[i] = &keys[i];
      static_cast<void>(::rte_hash_lookup_bulk(table_.get(), wanted.data(), kBatch, places.data()));
      for (const std::int32_t place : places) {
        if (place >= 0) __builtin_prefetch(&value(place));
      }
      for (const std::int32_t place : places) {
        if (place >= 0) fn(value(place));
      }
    }
  }

  void insert(std::span<const FlowKey> keys, bool warmed) {
    each(keys, warmed, [&](const FlowKey& key, hash_sig_t hash) {
      const std::int32_t place = ::rte_hash_add_key_with_hash(table_.get(), &key, hash);
      if (place < 0) return ++refused_, void();
      value(place).first_syn = PacketTime(std::chrono::seconds(1));
    });
  }

  void erase(std::span<const FlowKey> keys, bool warmed) {
    each(keys, warmed, [&](const FlowKey& key, hash_sig_t hash) {
      static_cast<void>(::rte_hash_del_key_with_hash(table_.get(), &key, hash));
    });
  }

  void finish(benchmark::State& state) const {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(bench::kTableKeys));
    state.counters["refused"] = static_cast<double>(refused_);
    state.SetLabel("huge pages " + kilobytes_of_huge_pages());
  }

 private:
  struct Free {
    void operator()(rte_hash* table) const noexcept { ::rte_hash_free(table); }
  };

  [[nodiscard]] Value& value(std::int32_t place) {
    return values_[static_cast<std::size_t>(place)];
  }

  template <class Fn>
  void each(std::span<const FlowKey> keys, bool warmed, Fn&& fn) {
    std::array<const void*, kBatch> wanted;
    std::array<hash_sig_t, kBatch> hashes;
    std::array<std::int32_t, kBatch> places;
    for (; !keys.empty(); keys = keys.subspan(kBatch)) {
      for (std::size_t i = 0; i < kBatch; ++i) {
        wanted[i] = &keys[i];
        hashes[i] = ::rte_hash_hash(table_.get(), &keys[i]);
      }
      if (warmed) {
        static_cast<void>(::rte_hash_lookup_with_hash_bulk(table_.get(), wanted.data(),
                                                           hashes.data(), kBatch, places.data()));
      }
      for (std::size_t i = 0; i < kBatch; ++i) fn(keys[i], hashes[i]);
    }
  }

  std::unique_ptr<rte_hash, Free> table_;
  PageArray<Value> values_;
  std::uint64_t refused_ = 0;
};

const bench::TableKeys& keys_of(const benchmark::State& state) {
  return bench::table_keys(state.range(0) == 6);
}

template <class Fn>
void with_table(benchmark::State& state, Fn&& fn) {
  try {
    Table table;
    // The first touch of a page is the kernel's time.
    table.insert(keys_of(state).present, true);
    fn(table);
    table.finish(state);
  } catch (const std::exception& error) {
    state.SkipWithError(error.what());
  }
}

void find(benchmark::State& state, const std::vector<FlowKey>& wanted) {
  with_table(state, [&](Table& table) {
    for (auto _ : state) {
      std::int64_t sum = 0;
      table.find(wanted,
                 [&](const Value& found) { sum += found.first_syn.time_since_epoch().count(); });
      benchmark::DoNotOptimize(sum);
    }
  });
}

void dpdk_find_hit(benchmark::State& state) {
  find(state, keys_of(state).shuffled);
}
void dpdk_find_miss(benchmark::State& state) {
  find(state, keys_of(state).absent);
}

void dpdk_insert(benchmark::State& state) {
  with_table(state, [&](Table& table) {
    for (auto _ : state) {
      state.PauseTiming();
      table.erase(keys_of(state).shuffled, true);
      state.ResumeTiming();
      table.insert(keys_of(state).present, state.range(1) != 0);
    }
  });
}

void dpdk_erase(benchmark::State& state) {
  with_table(state, [&](Table& table) {
    for (auto _ : state) {
      table.erase(keys_of(state).shuffled, state.range(1) != 0);
      state.PauseTiming();
      table.insert(keys_of(state).present, true);
      state.ResumeTiming();
    }
  });
}

BENCHMARK(dpdk_find_hit)->ArgName("ip")->Arg(4)->Arg(6)->Unit(benchmark::kMillisecond);
BENCHMARK(dpdk_find_miss)->ArgName("ip")->Arg(4)->Arg(6)->Unit(benchmark::kMillisecond);
void arguments(benchmark::internal::Benchmark* b) {
  b->ArgNames({"ip", "warmed"})->ArgsProduct({{4, 6}, {0, 1}})->Unit(benchmark::kMillisecond);
}
BENCHMARK(dpdk_insert)->Apply(arguments);
BENCHMARK(dpdk_erase)->Apply(arguments);

}  // namespace
