// What the tables of services and peers cost: one attempt at a service that is known, one at a service that
// needs another's row, failures of peers that come again or never again; and how long a reader and
// the reactor take to answer TOP from full tables.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "engine/explain/explain.h"
#include "engine/pipeline/explain_gathering.h"
#include "engine/pipeline/top_builder.h"
#include "engine/pipeline/top_exchange.h"
#include "engine/pipeline/top_tables.h"
#include "flowtable/attempt.h"
#include "ipc/explain_json.h"
#include "ipc/top_json.h"

namespace {

using namespace tcpeek;
using engine::TopTables;
using flowtable::Attempt;
using flowtable::Cause;
using flowtable::PacketTime;

constexpr std::uint8_t kRx = 1;
constexpr std::chrono::microseconds kTook{100};

// From one of `initiators` to one of `responders`, at random.
std::vector<Attempt> attempts(std::uint32_t initiators, std::uint32_t responders) {
  constexpr std::size_t kAttempts = std::size_t{1} << 17;
  std::mt19937 random(1);
  std::vector<Attempt> all(kAttempts);
  for (Attempt& attempt : all) {
    const auto end = [](std::uint32_t n, std::uint16_t port) {
      return flowtable::Endpoint{engine::bytes_of(flowtable::AddressWords::mapped(n)), port};
    };
    const auto [key, sender] =
        flowtable::make_key(end(static_cast<std::uint32_t>(random()) % initiators * 2 + 1, 40'000),
                            end(static_cast<std::uint32_t>(random()) % responders * 2, 80));
    attempt.key = key;
    attempt.set_initiator(sender);
  }
  return all;
}

void count(TopTables& tables, const Attempt& attempt, Cause cause) {
  const auto number = tables.opened(attempt, kRx);
  const auto at = attempt.first_syn + kTook;
  if (cause == Cause::none) {
    const engine::Times times({.syn_to_synack = kTook / 2, .synack_to_ack = kTook / 2}, kTook);
    return tables.succeeded(attempt, number, at, times);
  }
  benchmark::DoNotOptimize(tables.ended(attempt, {.cause = cause, .at = at}, number, kRx));
}

void run(benchmark::State& state, Cause cause) {
  const auto tables = std::make_unique<TopTables>();
  const auto all = attempts(static_cast<std::uint32_t>(state.range(0)),
                            static_cast<std::uint32_t>(state.range(1)));
  for (const Attempt& attempt : all) count(*tables, attempt, cause);
  std::size_t i = 0;
  for (auto _ : state) {
    count(*tables, all[i], cause);
    i = (i + 1) % all.size();
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["bytes"] = static_cast<double>(tables->memory_bytes());
}

void success(benchmark::State& state) {
  run(state, Cause::none);
}
void failure(benchmark::State& state) {
  run(state, Cause::no_answer);
}

// Of the processor: what else runs on the machine is not the reader's.
std::chrono::nanoseconds thread_time() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

// Two readers with full tables, and what they are asked. The longest turn is the longest that one was held at
// once.
class FullTables {
 public:
  FullTables() {
    const auto all = attempts(1U << 24, 1U << 17);
    for (std::size_t i = 0; i < kReaders; ++i) {
      tables_.push_back(std::make_unique<TopTables>());
      for (const Attempt& attempt : all) count(*tables_.back(), attempt, Cause::refused);
      exchanges_.push_back(std::make_unique<engine::TopExchange>());
      reports_.push_back(&exchanges_.back()->report());
    }
  }

  engine::TopReports ask(const engine::TopQuery& query) {
    for (std::size_t i = 0; i < kReaders; ++i) {
      exchanges_[i]->ask(query);
      for (bool more = true; more;) {
        const auto begun = thread_time();
        more = exchanges_[i]->work(*tables_[i], timeline_, PacketTime());
        longest_ = std::max<std::chrono::duration<double>>(longest_, thread_time() - begun);
      }
    }
    return reports_;
  }
  [[nodiscard]] double longest_turn() const { return longest_.count(); }

 private:
  static constexpr std::size_t kReaders = 2;
  std::vector<std::unique_ptr<TopTables>> tables_;
  std::vector<std::unique_ptr<engine::TopExchange>> exchanges_;
  std::vector<const engine::TopReport*> reports_;
  const engine::PacketTimeline timeline_{{}};
  std::chrono::duration<double> longest_{0};
};

// Both rounds of TOP.
void answer(benchmark::State& state) {
  const auto by = static_cast<ipc::TopBy>(state.range(0));
  FullTables readers;
  for (auto _ : state) {
    engine::TopQuery query;
    query.by = by;
    const ipc::TopRequest request{.count = 20, .by = by};
    const engine::TopChoice choice = engine::choose_top(readers.ask(query), request.count);
    query.part = engine::TopQuery::Part::details;
    query.count = choice.keys.size();
    std::ranges::copy(choice.keys, query.keys.begin());
    const engine::TopReports details = readers.ask(query);
    benchmark::DoNotOptimize(ipc::top_reply(engine::build_top(request, choice, details, {})));
  }
  state.counters["longest_turn"] = readers.longest_turn();
}

// The four rounds of EXPLAIN, its rules and its reply.
void explanation(benchmark::State& state) {
  FullTables readers;
  for (auto _ : state) {
    engine::ExplainGathering gathering({.local_is_own = true});
    while (gathering.on_reports(readers.ask(gathering.query()))) {
    }
    const engine::ExplainInput input = std::move(gathering).take({});
    benchmark::DoNotOptimize(ipc::explain_reply(engine::explain(input)));
  }
  state.counters["longest_turn"] = readers.longest_turn();
}

const std::vector<std::int64_t> kPeers{100, 10'000'000};
const std::vector<std::int64_t> kServices{10, 50'000, 10'000'000};

BENCHMARK(success)->ArgNames({"initiators", "services"})->ArgsProduct({kPeers, kServices});
BENCHMARK(failure)->ArgNames({"initiators", "services"})->ArgsProduct({kPeers, kServices});
BENCHMARK(answer)->ArgName("by")->DenseRange(0, 3)->Unit(benchmark::kMillisecond);
BENCHMARK(explanation)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
