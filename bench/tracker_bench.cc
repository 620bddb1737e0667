// What a segment costs the tracker, in memory: complete handshakes of ever new connections,
// half-open floods, and segments of unknown connections. Items are segments.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "flowtable/tracker.h"

namespace {

using namespace tcpeek::flowtable;

struct Ignore {
  void opened(Attempt&, std::uint16_t&) noexcept {}
  void ended(const Attempt&, const Outcome&, std::uint16_t) noexcept { ++ended_; }
  void late_synack(const Attempt&) noexcept {}
  void retrying(const Attempt&, std::uint16_t) noexcept {}
  void answered_again(const Attempt&, std::uint16_t) noexcept {}
  void sent_again(const Attempt&, Event, std::uint16_t) noexcept {}
  std::uint64_t ended_ = 0;
};

KeyHash::Secret some_secret() {
  std::mt19937_64 random(1);
  KeyHash::Secret secret;
  for (auto& byte : secret) byte = static_cast<std::byte>(random());
  return secret;
}

Endpoint v4(std::uint32_t address, std::uint16_t port) {
  Endpoint end;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), end.address.begin());
  for (std::size_t i = 0; i < 4; ++i) {
    end.address[12 + i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  }
  end.port = port;
  return end;
}

// Segment `n` of an endless run of connections, `per_connection` of each: SYN, SYN/ACK, ACK.
Segment make(std::uint64_t n, std::uint64_t per_connection) {
  const std::uint64_t connection = n / per_connection;
  const std::uint64_t kind = n % per_connection;
  const auto client = v4(0x0a000000U + static_cast<std::uint32_t>(connection >> 14),
                         static_cast<std::uint16_t>(1024 + (connection & 0x3fff)));
  const auto server = v4(0xc0000201U, 80);
  const auto isn = static_cast<std::uint32_t>(connection * 2654435761U);
  const DirectedKey key = kind == 1 ? make_key(server, client) : make_key(client, server);
  Segment s;
  s.key = key.key;
  s.sender = key.sender;
  s.time = PacketTime(std::chrono::nanoseconds(n * 300));
  s.flags = kind == 0 ? tcp_flag::syn : kind == 1 ? (tcp_flag::syn | tcp_flag::ack) : tcp_flag::ack;
  s.sequence = kind == 1 ? ~isn : isn + (kind == 2 ? 1 : 0);
  s.acknowledgment = kind == 1 ? isn + 1 : kind == 2 ? ~isn + 1 : 0;
  return s;
}

void run(benchmark::State& state, std::uint64_t per_connection, std::uint8_t only_flags) {
  Ignore observer;
  Tracker<Ignore> tracker(
      {.capacity = static_cast<std::uint64_t>(state.range(0)), .secret = some_secret()}, observer);
  constexpr std::size_t kBatch = Tracker<Ignore>::kBatch;
  std::vector<Segment> segments(kBatch * 1024);
  std::uint64_t n = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (Segment& s : segments) {
      s = make(n++, per_connection);
      if (only_flags != 0) s.flags = only_flags;
    }
    state.ResumeTiming();
    for (std::size_t at = 0; at < segments.size(); at += kBatch) {
      tracker.on_segments(std::span<const Segment>(segments).subspan(at, kBatch));
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(n));
}

void complete_handshakes(benchmark::State& state) {
  run(state, 3, 0);
}
void syn_flood(benchmark::State& state) {
  run(state, 1, 0);
}
void no_attempt(benchmark::State& state) {
  run(state, 1, tcp_flag::ack);
}

BENCHMARK(complete_handshakes)->Arg(1'000'000);
BENCHMARK(syn_flood)->Arg(1'000'000);
BENCHMARK(no_attempt)->Arg(1'000'000);

}  // namespace

BENCHMARK_MAIN();
