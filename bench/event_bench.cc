// What it takes to tell one outcome to a watcher: names and text of the event, its place in the log, and its copy into
// what a client is sent. Counted rather than timed where other work disturbs:
//
//   valgrind --tool=callgrind --toggle-collect='*tell_all*' event_bench --benchmark_filter=ip:4

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/filters/filter_expression.h"
#include "engine/output/reporter.h"
#include "ipc/event_log.h"
#include "ipc/watch_cursor.h"

namespace {

using namespace tcpeek;

constexpr std::size_t kOutcomes = 1000;

// Successes with their legs, each of another initiator.
engine::OutcomeRecord record(std::size_t number, bool v6) {
  engine::OutcomeRecord made{};
  const auto low = static_cast<std::uint8_t>(number);
  for (flowtable::Endpoint* end : {&made.initiator, &made.responder}) {
    if (v6) {
      end->address = {0x20, 0x01, 0x0d, 0xb8};
    } else {
      end->address[10] = end->address[11] = 0xff;
      end->address[12] = 192;
    }
    end->address[15] = low;
  }
  made.initiator.port = static_cast<std::uint16_t>(32768 + number);
  made.responder.port = 443;
  made.first_syn = std::chrono::seconds(1'785'000'000) + std::chrono::microseconds(number * 977);
  made.duration = std::chrono::microseconds(150 + number);
  made.isn = static_cast<std::uint32_t>(0x9e3779b9U * number);
  made.responder_isn = ~made.isn;
  made.has_responder_isn = true;
  made.legs = {std::chrono::microseconds(100), std::chrono::microseconds(50 + number)};
  made.has_legs = true;
  made.filters = 1;  // RX
  return made;
}

struct Host {
  explicit Host(bool v6) : reporter({.quiet = true}, error, output, filters, &Host::name, &log) {
    log.keep(true);
    for (std::size_t i = 0; i < kOutcomes; ++i) records.push_back(record(i, v6));
  }
  static std::string name(std::uint16_t /*index*/) { return "eth0"; }

  engine::FilterRegistry filters{engine::parse_filters(std::vector<std::string>{})};
  engine::LineWriter error{2};
  engine::LineWriter output{1};
  ipc::EventLog log{"0123456789abcdef"};
  engine::Reporter reporter;
  engine::OutcomeQueue queue{true};
  std::vector<engine::OutcomeRecord> records;
};

// One turn of the reactor, and one of its watcher's.
[[gnu::noinline]] std::size_t tell_all(Host& host, ipc::WatchCursor& watcher, std::string& piece) {
  engine::OutcomeQueue* const queue = &host.queue;
  host.reporter.print({&queue, 1});
  std::size_t sent = 0;
  for (piece.clear(), watcher.fill(piece); !piece.empty(); piece.clear(), watcher.fill(piece)) {
    sent += piece.size();
  }
  return sent;
}

void told(benchmark::State& state) {
  Host host(state.range(0) == 6);
  ipc::WatchCursor watcher(host.log, {});
  std::string piece;
  std::size_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (const engine::OutcomeRecord& each : host.records) {
      if (!host.queue.push(each)) state.SkipWithError("the queue is full");
    }
    state.ResumeTiming();
    bytes = tell_all(host, watcher, piece);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(kOutcomes));
  state.counters["bytes_each"] = static_cast<double>(bytes) / kOutcomes;
}
BENCHMARK(told)->ArgName("ip")->Arg(4)->Arg(6)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
