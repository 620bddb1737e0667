// What it costs to know the filters of an attempt: classify() at its first SYN and for_each_match()
// at its end, with 1 to 1,000 filters on the command line. An attempt matches about as many filters
// in every case (RX or TX, and at times one by name), so the times compare the look-up alone.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/filters/filter_expression.h"
#include "engine/filters/filter_matcher.h"

namespace {

using tcpeek::engine::Address;
using tcpeek::engine::FilterMatcher;
using tcpeek::engine::MatchKey;

constexpr std::size_t kAttempts = 4096;  // a power of two
constexpr std::uint8_t kRx = 1;
constexpr std::uint8_t kTx = 2;

struct Attempt {
  Address initiator;
  Address responder;
  std::uint16_t port = 0;
  std::uint8_t directions = kRx;
};

// The i-th filter of a large site: services by port, partner networks, single peers, IPv6.
std::string expression(std::size_t i) {
  const std::string high = std::to_string(i / 256 % 256);
  const std::string low = std::to_string(i % 256);
  std::string text("f");
  text.append(std::to_string(i));
  switch (i % 4) {
    case 0:
      return text.append(":RX@%:").append(std::to_string(1024 + i));
    case 1:
      return text.append(":TX@10.").append(high).append(".").append(low).append(".0/24:80:443");
    case 2:
      return text.append(":RX@192.168.").append(high).append(".").append(low).append(":%");
    default:
      return text.append(":TX@[2001:db8:").append(std::to_string(i)).append("::/48]:443");
  }
}

FilterMatcher make_matcher(std::size_t filters) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < filters; ++i) texts.push_back(expression(i));
  return FilterMatcher(tcpeek::engine::parse_filters(texts));
}

std::vector<Attempt> make_attempts() {
  std::mt19937 random(1);
  const auto below = [&](unsigned bound) { return static_cast<std::uint8_t>(random() % bound); };
  std::vector<Attempt> attempts(kAttempts);
  for (Attempt& attempt : attempts) {
    attempt.initiator.bytes = {0, 0, 0,    0,    0,  0,        0,          0,
                               0, 0, 0xff, 0xff, 10, below(4), below(255), 1};
    attempt.responder.bytes = {0, 0, 0,    0,    0,  0,        0,          0,
                               0, 0, 0xff, 0xff, 10, below(4), below(255), 2};
    if (random() % 4 == 0) {
      attempt.responder.bytes = {0x20, 0x01, 0x0d, 0xb8, below(16), below(255)};
      attempt.initiator.bytes = attempt.responder.bytes;
      attempt.initiator.bytes[15] = 1;
    }
    attempt.port = random() % 2 == 0 ? 443 : static_cast<std::uint16_t>(1024 + random() % 1024);
    attempt.directions = random() % 2 == 0 ? kRx : kTx;
  }
  return attempts;
}

void classify_and_match(benchmark::State& state) {
  const FilterMatcher matcher = make_matcher(static_cast<std::size_t>(state.range(0)));
  const std::vector<Attempt> attempts = make_attempts();
  std::size_t next = 0;
  std::uint64_t matches = 0;
  for (auto _ : state) {
    const Attempt& a = attempts[next++ % kAttempts];
    const MatchKey key = matcher.classify(a.initiator, a.responder, a.port, a.directions);
    matcher.for_each_match(key, [&](std::size_t index) {
      benchmark::DoNotOptimize(index);
      ++matches;
    });
  }
  state.counters["matches"] =
      benchmark::Counter(static_cast<double>(matches), benchmark::Counter::kAvgIterations);
}
BENCHMARK(classify_and_match)->RangeMultiplier(10)->Range(1, 1000);

void classify_only(benchmark::State& state) {
  const FilterMatcher matcher = make_matcher(static_cast<std::size_t>(state.range(0)));
  const std::vector<Attempt> attempts = make_attempts();
  std::size_t next = 0;
  for (auto _ : state) {
    const Attempt& a = attempts[next++ % kAttempts];
    benchmark::DoNotOptimize(matcher.classify(a.initiator, a.responder, a.port, a.directions));
  }
}
BENCHMARK(classify_only)->RangeMultiplier(10)->Range(1, 1000);

}  // namespace

BENCHMARK_MAIN();
