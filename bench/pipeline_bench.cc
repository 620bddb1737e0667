// What a packet costs a reader once it lies in a block: walk, decode, track, count. Blocks are
// written in memory as the kernel would, with the packets that the live benchmark injects. Items
// are packets.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bench/live/pattern.h"
#include "engine/pipeline.h"
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
  Blocks(bench::Load load, bool ipv6)
      : load_(load), layout_(ipv6 ? bench::kIpv6Layout : bench::kIpv4Layout) {
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
  std::uint64_t next_ = 0;
};

engine::Address responder(bool ipv6) {
  return engine::parse_address(ipv6 ? "2001:db8::c000:201" : "192.0.2.1").value();
}

void run(benchmark::State& state, bench::Load load) {
  const bool ipv6 = state.range(1) == 6;
  const engine::FilterMatcher matcher(engine::parse_filters({}));
  engine::Handover<engine::Locality> locality(std::make_unique<const engine::Locality>(
      std::vector{responder(ipv6)}, std::vector<engine::Prefix>(), std::vector<std::uint32_t>()));
  engine::OutcomeQueue queue(false);
  const engine::PacketTimeline timeline({});
  engine::OutcomeCounter counter(matcher, locality, queue, timeline);
  engine::Pipeline pipeline({.capacity = static_cast<std::uint64_t>(state.range(0)),
                             .secret = flowtable::test::secret_of(1)},
                            flowtable::Verify::none, counter);
  Blocks blocks(load, ipv6);
  for (auto _ : state) {
    for (const auto& block : blocks.all()) {
      ring::walk_block(block, [&](const ring::RingPacket& packet) {
        const flowtable::Frame frame{
            .bytes = packet.bytes,
            .wire_length = packet.wire_length,
            .interface = packet.interface,
            .time = flowtable::PacketTime(std::chrono::nanoseconds(packet.time_ns))};
        if (pipeline.decode(flowtable::Link::ethernet, frame) != nullptr) pipeline.keep();
      });
    }
    state.PauseTiming();
    blocks.refill();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBlocks * kBlockPackets));
}

void handshakes(benchmark::State& state) {
  run(state, bench::Load::handshakes);
}
void syn_flood(benchmark::State& state) {
  run(state, bench::Load::syn_flood);
}
void acks(benchmark::State& state) {
  run(state, bench::Load::acks);
}

BENCHMARK(handshakes)->ArgNames({"capacity", "ip"})->ArgsProduct({{1'000, 1'000'000}, {4, 6}});
BENCHMARK(syn_flood)->ArgNames({"capacity", "ip"})->ArgsProduct({{1'000, 1'000'000}, {4}});
BENCHMARK(acks)->ArgNames({"capacity", "ip"})->ArgsProduct({{1'000'000}, {4}});

}  // namespace

BENCHMARK_MAIN();
