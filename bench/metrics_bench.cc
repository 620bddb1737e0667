// What a scrape costs the reactor: 1,000 filters, 100 services, and accept queues as many as there may be. First the snapshot, which each request of any
// word needs; then the text in both forms; then compressing it. The limit is 50 ms for all, and 1 MiB compressed.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/pipeline/snapshot_builder.h"
#include "ipc/gzip.h"
#include "ipc/metrics.h"
#include "ipc/stats_json.h"

namespace {

using namespace tcpeek;

constexpr std::size_t kReaders = 2;
constexpr std::size_t kServices = 100;

engine::FilterRegistry registry(std::size_t filters) {
  std::vector<std::string> expressions;
  for (std::size_t i = 2; i < filters; ++i) {
    expressions.push_back("filter-" + std::to_string(i) + ":RX@%:" + std::to_string(i));
  }
  return engine::FilterRegistry(engine::parse_filters(expressions));
}

// Counts as large as those of a host that has run for months, and durations all over.
ipc::Counts busy_counts(std::mt19937_64& random) {
  ipc::Counts counts;
  for (std::uint64_t& value : counts.values) value = random() % 1'000'000'000;
  for (int i = 0; i < 2000; ++i) {
    const std::chrono::microseconds us(
        20 + static_cast<std::int64_t>(random() % (1U << (random() % 26))));
    counts.latency.add(us);
    counts.responder_leg.add(us);
    counts.initiator_leg.add(us / 2);
  }
  return counts;
}

struct Host {
  explicit Host(std::size_t count) : filters(registry(count)) {
    std::mt19937_64 random(1);
    for (engine::ReaderReport& report : reports) {
      for (std::size_t i = 0; i < count; ++i)
        report.outcomes.filters.push_back(busy_counts(random));
    }
    for (const engine::ReaderReport& report : reports) views.push_back({.report = &report});
    for (std::size_t i = 0; i < kServices; ++i) {
      ipc::ServiceMetric service;
      service.port = static_cast<std::uint16_t>(1 + i);
      service.counts.success = random() % 1'000'000'000;
      service.health = {.is = ipc::HealthState::ok, .since = since(i)};
      services.services.push_back(service);
    }
  }

  static std::chrono::system_clock::time_point since(std::size_t number) {
    return std::chrono::system_clock::time_point(
        std::chrono::seconds(1'785'000'000 + 977 * number));
  }

  [[nodiscard]] ipc::Snapshot snapshot() const {
    ipc::Snapshot made = engine::build_snapshot({}, filters, views);
    for (std::size_t i = 0; i < made.filters.size(); ++i) {
      made.filters[i].health.emplace().is = ipc::HealthState::ok;
      made.filters[i].health->since = since(i);
    }
    for (std::size_t i = 0; i < ipc::Queues::kMost; ++i) {
      made.queues.ports.push_back({.address = {},
                                   .port = static_cast<std::uint16_t>(kServices + 1 + i),
                                   .suspected = true,
                                   .verdict = ipc::QueueVerdict::confirmed,
                                   .unanswered = i,
                                   .backlog_now = 4097,
                                   .backlog_max = 4096});
    }
    made.queues.counters_known = true;
    return made;
  }

  engine::FilterRegistry filters;
  std::vector<engine::ReaderReport> reports{kReaders};
  std::vector<engine::ReaderView> views;
  ipc::ServiceMetrics services;
};

void copy_of_a_readers_counts(benchmark::State& state) {
  const Host host(static_cast<std::size_t>(state.range(0)));
  std::vector<ipc::Counts> report = host.reports[0].outcomes.filters;
  for (auto _ : state) {
    report = host.reports[0].outcomes.filters;
    benchmark::DoNotOptimize(report.data());
  }
}
BENCHMARK(copy_of_a_readers_counts)->Arg(2)->Arg(1000)->Unit(benchmark::kMillisecond);

void snapshot(benchmark::State& state) {
  const Host host(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(host.snapshot());
}
BENCHMARK(snapshot)->Arg(2)->Arg(1000)->Unit(benchmark::kMillisecond);

void text(benchmark::State& state) {
  const Host host(static_cast<std::size_t>(state.range(0)));
  const ipc::Snapshot snapshot = host.snapshot();
  const auto form = static_cast<ipc::MetricsForm>(state.range(1));
  std::size_t bytes = 0;
  for (auto _ : state) bytes = ipc::metrics_text(snapshot, host.services, nullptr, form).size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(text)->Args({2, 0})->Args({1000, 0})->Args({1000, 1})->Unit(benchmark::kMillisecond);

void compressed(benchmark::State& state) {
  const Host host(static_cast<std::size_t>(state.range(0)));
  const std::string whole =
      ipc::metrics_text(host.snapshot(), host.services, nullptr, ipc::MetricsForm::openmetrics);
  std::size_t bytes = 0;
  for (auto _ : state) bytes = ipc::gzip(whole).size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(compressed)->Arg(2)->Arg(1000)->Unit(benchmark::kMillisecond);

void all_of_it(benchmark::State& state) {
  const Host host(1000);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ipc::gzip(
        ipc::metrics_text(host.snapshot(), host.services, nullptr, ipc::MetricsForm::openmetrics)));
  }
}
BENCHMARK(all_of_it)->Unit(benchmark::kMillisecond);

// Beside it, the other word that tells all.
void stats_json(benchmark::State& state) {
  const Host host(1000);
  const ipc::Snapshot snapshot = host.snapshot();
  for (auto _ : state) benchmark::DoNotOptimize(ipc::stats_reply(snapshot));
}
BENCHMARK(stats_json)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
