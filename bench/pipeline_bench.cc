// What a packet costs a reader once it is in a block: walk, decode, track, count. Blocks are written in
// memory as the kernel would, with the packets that the live benchmark injects. Items are packets.
//
// `live` is how many half-open attempts the table holds throughout: they come from a flood that is read
// before the clock starts, and none of them is due before the end. The table has room for an eighth
// more, so that no load but the flood has to evict (`evicted` counts); the flood meets a full table.
// Finished attempts are remembered and take the free slots, as in a reader that has run for a minute.

#include <benchmark/benchmark.h>

#include <unistd.h>

#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bench/live/pattern.h"
#include "engine/pipeline/pipeline.h"
#include "ring/block.h"
#include "tests/support/block_writer.h"
#include "tests/support/secret.h"

namespace {

using namespace tcpeek;

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::size_t kBlockPackets = 6'000;
constexpr std::size_t kBlocks = 8;
constexpr std::uint64_t kPacketNs = 300;

struct Blocks {
  // From packet number `first` of the load on.
  Blocks(bench::Load load, bool ipv6, std::uint64_t first = 0)
      : load_(load), layout_(ipv6 ? bench::kIpv6Layout : bench::kIpv4Layout), next_(first) {
    const auto frame = bench::frame_template(load, ipv6);
    test::BlockPacket packet;
    for (const std::byte b : frame) packet.bytes.push_back(std::to_integer<std::uint8_t>(b));
    packet.protocol = ipv6 ? ETH_P_IPV6 : ETH_P_IP;
    for (std::size_t i = 0; i < kBlocks; ++i) {
      test::BlockWriter writer(kBlockBytes);
      for (std::size_t n = 0; n < kBlockPackets; ++n) writer.packet(packet);
      blocks_.push_back(writer.bytes());
      if (at_.empty()) {
        for (std::size_t n = 0; n < kBlockPackets; ++n) at_.push_back(writer.packet_at(n));
      }
    }
    refill();
  }

  static constexpr std::size_t kPackets = kBlocks * kBlockPackets;

  // The next packets of the load.
  void refill() {
    for (auto& block : blocks_) {
      for (const std::size_t at : at_) {
        const std::uint64_t ns = next_ * kPacketNs;
        tpacket3_hdr header;
        std::memcpy(&header, block.data() + at, sizeof header);
        header.tp_sec = static_cast<std::uint32_t>(ns / 1'000'000'000);
        header.tp_nsec = static_cast<std::uint32_t>(ns % 1'000'000'000);
        std::memcpy(block.data() + at, &header, sizeof header);
        const std::size_t frame = at + test::BlockWriter::kMacOffset;
        bench::write_fields(bench::fields_of(load_, next_++), layout_,
                            std::span(block).subspan(frame, bench::kSmallFrameBytes));
      }
    }
  }

  [[nodiscard]] const std::vector<std::vector<std::byte>>& all() const { return blocks_; }

 private:
  bench::Load load_;
  bench::Layout layout_;
  std::vector<std::vector<std::byte>> blocks_;
  std::vector<std::size_t> at_;
  std::uint64_t next_;
};

engine::Address responder(bool ipv6) {
  return engine::parse_address(ipv6 ? "2001:db8::c000:201" : "192.0.2.1").value();
}

// A reader without sockets: what its thread owns, and nothing shared.
class Reader {
 public:
  Reader(std::uint64_t capacity, bool ipv6)
      : filters_(engine::parse_filters({})),
        rules_(engine::reader_rules(
            filters_, {std::vector{responder(ipv6)}, std::vector<engine::Prefix>(), {}})),
        queue_(false),
        timeline_({}),
        counter_(rules_, queue_, timeline_),
        pipeline_(
            {.capacity = capacity, .timeout = kNeverDue, .secret = flowtable::test::secret_of(1)},
            flowtable::DecodeRules{}, counter_) {}

  void read(const Blocks& blocks) {
    for (const auto& block : blocks.all()) {
      ring::walk_block(block, [&](const ring::RingPacket& packet) { take(packet); });
    }
  }

  // Opens that many attempts; the table has room for them.
  void fill(std::uint64_t attempts, bool ipv6) {
    for (Blocks flood(bench::Load::syn_flood, ipv6); attempts > 0; flood.refill()) {
      for (const auto& block : flood.all()) {
        ring::walk_block(block, [&](const ring::RingPacket& packet) {
          if (attempts == 0) return;
          --attempts;
          take(packet);
        });
      }
    }
    pipeline_.track();
  }

  // Reads until remembered attempts have taken the free slots.
  void settle(Blocks& handshakes) {
    constexpr std::uint64_t kFew = Blocks::kPackets / bench::kPacketsPerHandshake / 8;
    const auto held = [this] { return table().pending() + table().remembered(); };
    for (std::uint64_t before = 0, now = held(); now >= before + kFew; now = held()) {
      before = now;
      read(handshakes);
      handshakes.refill();
    }
  }

  [[nodiscard]] std::uint64_t evicted() const {
    return counter_.counts().totals[ipc::Tally::evicted];
  }
  [[nodiscard]] const flowtable::AttemptTable& table() const { return pipeline_.tracker().table(); }

 private:
  static constexpr std::chrono::seconds kNeverDue{3600};

  void take(const ring::RingPacket& packet) {
    const flowtable::Frame frame{
        .bytes = packet.bytes,
        .wire_length = packet.wire_length,
        .interface = packet.interface,
        .time = flowtable::PacketTime(std::chrono::nanoseconds(packet.time_ns))};
    if (pipeline_.decode(flowtable::LinkFraming::ethernet, frame) != nullptr) pipeline_.keep();
  }

  engine::FilterRegistry filters_;
  engine::Handover<engine::ReaderRules> rules_;
  engine::OutcomeQueue queue_;
  engine::PacketTimeline timeline_;
  engine::OutcomeCounter counter_;
  engine::Pipeline pipeline_;
};

// Half of the machine's memory is left alone: a benchmark that swaps measures the disk.
bool fits_memory(std::uint64_t attempts) {
  constexpr std::uint64_t kAttemptBytes = 128;
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return attempts * kAttemptBytes <= pages * page / 2;
}

std::uint64_t with_room(std::uint64_t live) {
  return live + live / 8 + flowtable::Tracker<engine::OutcomeCounter>::kBatch;
}

void count_packets(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(Blocks::kPackets));
  state.counters["per_packet"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * Blocks::kPackets,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void run(benchmark::State& state, bench::Load load, bool full = false) {
  const auto live = static_cast<std::uint64_t>(state.range(0));
  const bool ipv6 = state.range(1) == 6;
  if (!fits_memory(live)) return state.SkipWithError("more than half of the memory");
  Reader reader(full ? live : with_room(live), ipv6);
  reader.fill(live, ipv6);
  // Later than what filled the table, and with other sources.
  Blocks blocks(load, ipv6, live * bench::kPacketsPerHandshake);
  if (load == bench::Load::handshakes) reader.settle(blocks);
  for (auto _ : state) {
    reader.read(blocks);
    state.PauseTiming();
    blocks.refill();
    state.ResumeTiming();
  }
  count_packets(state);
  state.counters["pending"] = static_cast<double>(reader.table().pending());
  state.counters["evicted"] = static_cast<double>(reader.evicted());
}

void handshakes(benchmark::State& state) {
  run(state, bench::Load::handshakes);
}
void syn_flood(benchmark::State& state) {
  run(state, bench::Load::syn_flood, true);
}
void acks(benchmark::State& state) {
  run(state, bench::Load::acks);
}

// Readers in parallel, each with its own blocks and table. They start each iteration together, so that
// none measures while another is still writing its blocks.
void readers(benchmark::State& state) {
  static std::optional<std::barrier<>> together;
  const auto live = static_cast<std::uint64_t>(state.range(0));
  const bool ipv6 = state.range(1) == 6;
  if (state.thread_index() == 0) together.emplace(state.threads());
  Reader reader(with_room(live), ipv6);
  reader.fill(live, ipv6);
  Blocks blocks(bench::Load::handshakes, ipv6, live * bench::kPacketsPerHandshake);
  reader.settle(blocks);
  for (auto _ : state) {
    state.PauseTiming();
    blocks.refill();
    together->arrive_and_wait();
    state.ResumeTiming();
    reader.read(blocks);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(Blocks::kPackets));
}

const std::vector<std::int64_t> kLive{1'000, 100'000, 1'000'000, 10'000'000};

BENCHMARK(handshakes)->ArgNames({"live", "ip"})->ArgsProduct({kLive, {4, 6}});
BENCHMARK(syn_flood)->ArgNames({"live", "ip"})->ArgsProduct({kLive, {4, 6}});
BENCHMARK(acks)->ArgNames({"live", "ip"})->ArgsProduct({kLive, {4, 6}});
BENCHMARK(readers)
    ->ArgNames({"live", "ip"})
    ->ArgsProduct({{1'000'000}, {4, 6}})
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
