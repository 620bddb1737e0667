// How long a reader is away from its ring when a million attempts fall due within one second: the
// longest single call of the sweep, in the slices and with the observer of the program
// (engine/live/reader.cc). The attempts of one iteration time out; those of the previous one are
// forgotten in the same round.
//
// `max_pause_us` is the longest call of all rounds in the thread's own CPU time, so it is the sweep's
// alone; `wall_pause_us` is wall time and includes what else the machine did meanwhile. `evicted` says how
// many of the million were evicted before they were due.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bench/random_keys.h"
#include "engine/pipeline/outcome_counter.h"
#include "engine/pipeline/pipeline.h"
#include "tests/support/secret.h"

namespace {

using namespace tcpeek;
using flowtable::PacketTime;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::size_t kSweepSlice = 128;  // as in engine/live/reader.cc
constexpr seconds kTimeout{60};

using Tracker = engine::Pipeline::Tracker;

// Opens an attempt for each key, spread evenly over one second from `start` on.
void open_all(Tracker& tracker, std::span<const flowtable::FlowKey> keys, PacketTime start) {
  std::array<flowtable::Segment, Tracker::kBatch> batch;
  const nanoseconds apart = nanoseconds(seconds(1)) / static_cast<std::int64_t>(keys.size());
  std::size_t filled = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    flowtable::Segment& syn = batch[filled++];
    syn = {};
    syn.key = keys[i];
    syn.time = start + apart * static_cast<std::int64_t>(i);
    syn.flags = flowtable::tcp_flag::syn;
    if (filled < batch.size() && i + 1 < keys.size()) continue;
    tracker.on_segments(std::span(batch).first(filled));
    filled = 0;
  }
}

struct Pauses {
  nanoseconds longest{0};
  nanoseconds longest_wall{0};
  nanoseconds total{0};
  std::int64_t count = 0;
};

nanoseconds read_clock(clockid_t clock) {
  timespec t{};
  static_cast<void>(::clock_gettime(clock, &t));
  return seconds(t.tv_sec) + nanoseconds(t.tv_nsec);
}

// One round of the sweep; returns its time.
nanoseconds sweep(Tracker& tracker, PacketTime now, Pauses& pauses) {
  nanoseconds total{0};
  const std::size_t groups = tracker.table().group_count();
  for (std::size_t at = 0; at < groups; at += kSweepSlice) {
    const nanoseconds wall = read_clock(CLOCK_MONOTONIC);
    const nanoseconds begin = read_clock(CLOCK_THREAD_CPUTIME_ID);
    tracker.sweep(now, std::min(kSweepSlice, groups - at));
    const nanoseconds took = read_clock(CLOCK_THREAD_CPUTIME_ID) - begin;
    pauses.longest_wall = std::max(pauses.longest_wall, read_clock(CLOCK_MONOTONIC) - wall);
    pauses.longest = std::max(pauses.longest, took);
    ++pauses.count;
    total += took;
  }
  pauses.total += total;
  return total;
}

double microseconds_of(nanoseconds t) {
  return std::chrono::duration<double, std::micro>(t).count();
}

void expiry(benchmark::State& state) {
  const bool ipv6 = state.range(0) == 6;
  const bool print = state.range(1) != 0;
  const engine::FilterRegistry filters(engine::parse_filters({}));
  engine::Handover<engine::ReaderRules> rules(engine::reader_rules(filters, engine::Locality()));
  engine::OutcomeQueue queue(print);
  const engine::PacketTimeline timeline({});
  engine::OutcomeCounter counter(rules, queue, timeline);
  Tracker tracker({.capacity = bench::kTableKeys,
                   .timeout = kTimeout,
                   .remember = kTimeout,
                   .secret = flowtable::test::secret_of(1)},
                  counter);
  const auto& keys = bench::table_keys(ipv6);
  Pauses pauses;
  PacketTime start{seconds(1)};
  bool even = true;
  for (auto _ : state) {
    open_all(tracker, even ? keys.present : keys.absent, start);
    even = !even;
    start += kTimeout + seconds(2);
    for (engine::OutcomeRecord printed; queue.pop(printed);) continue;
    const nanoseconds round = sweep(tracker, start, pauses);
    if (tracker.table().pending() != 0) state.SkipWithError("the sweep left something");
    state.SetIterationTime(std::chrono::duration<double>(round).count());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(bench::kTableKeys));
  state.counters["max_pause_us"] = microseconds_of(pauses.longest);
  state.counters["wall_pause_us"] = microseconds_of(pauses.longest_wall);
  state.counters["mean_pause_us"] =
      microseconds_of(pauses.total) / static_cast<double>(pauses.count);
  state.counters["evicted"] = static_cast<double>(counter.counts().totals[ipc::Tally::evicted]) /
                              static_cast<double>(state.iterations());
}

BENCHMARK(expiry)
    ->ArgNames({"ip", "tell"})
    ->ArgsProduct({{4, 6}, {0, 1}})
    ->Iterations(8)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
