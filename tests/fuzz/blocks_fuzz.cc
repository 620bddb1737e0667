// A ring whose blocks lie: packets are written as the kernel writes them, then words of the headers are
// overwritten. Every way of reading gives the same packets, all within their block, each announced
// packet is read or counted as unreadable, every block goes back, and the decoder takes what comes out.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <vector>

#include "engine/live/ring_cursor.h"
#include "flowtable/decode.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/provided.h"
#include "tests/support/block_writer.h"

namespace tcpeek::fuzz {
namespace {

using ring::RingPacket;
using test::BlockPacket;
using test::BlockWriter;

constexpr std::size_t kBlocks = 3;
constexpr std::size_t kMostPackets = 6;  // of one block
constexpr std::size_t kMostLies = 8;     // about one block
constexpr std::array<std::size_t, 4> kBlockBytes{256, 1024, 2048, 4096};

BlockPacket packet(FuzzedDataProvider& input) {
  BlockPacket p;
  p.protocol = pick(input, std::array<std::uint16_t, 4>{0x0800, 0x86dd, 0x8100, 0x8847});
  p.status = input.ConsumeIntegral<std::uint8_t>();
  p.seconds = input.ConsumeIntegral<std::uint32_t>();
  p.nanoseconds = input.ConsumeIntegral<std::uint32_t>();
  p.wire_length = input.ConsumeIntegral<std::uint16_t>();
  p.bytes = input.ConsumeBytes<std::uint8_t>(input.ConsumeIntegral<std::uint8_t>());
  return p;
}

// Any number, or mostly one close to where a length stops being true of a header at `begin`.
std::uint32_t lying_number(FuzzedDataProvider& input, std::size_t begin, std::size_t block_bytes) {
  const std::array<std::size_t, 6> edges{
      block_bytes - begin, block_bytes, sizeof(tpacket3_hdr), BlockWriter::kHeaderBytes, begin, 0};
  if (input.ConsumeIntegral<std::uint8_t>() % 4 == 0) return input.ConsumeIntegral<std::uint32_t>();
  const auto offset = input.ConsumeIntegral<std::int8_t>();
  return static_cast<std::uint32_t>(pick(input, edges)) + static_cast<std::uint32_t>(offset);
}

// Overwrites a word of the block's header or of a packet's; block_status is the test's own.
void lie(FuzzedDataProvider& input, const BlockWriter& writer, std::size_t packets,
         std::vector<std::byte>& block) {
  const std::size_t header = input.ConsumeIntegral<std::uint8_t>() % (packets + 1);
  const std::size_t word = input.ConsumeIntegral<std::uint8_t>();
  const std::size_t begin = header == packets ? 0 : writer.packet_at(header);
  const std::uint32_t value = lying_number(input, begin, block.size());
  const std::size_t at = begin + word % ((sizeof(tpacket3_hdr) + sizeof(sockaddr_ll)) / 4) * 4;
  if (at == offsetof(tpacket_block_desc, hdr.bh1.block_status)) return;
  if (at + sizeof value <= block.size()) std::memcpy(block.data() + at, &value, sizeof value);
}

std::vector<std::byte> make_block(FuzzedDataProvider& input, std::size_t bytes) {
  BlockWriter writer(bytes);
  std::size_t packets = 0;
  for (std::size_t n = input.ConsumeIntegral<std::uint8_t>() % (kMostPackets + 1); n > 0; --n) {
    const BlockPacket p = packet(input);
    if (writer.used() + BlockWriter::kMacOffset + p.bytes.size() + 8 > bytes) break;
    writer.packet(p);
    ++packets;
  }
  std::vector<std::byte> block = writer.bytes();
  for (std::size_t n = input.ConsumeIntegral<std::uint8_t>() % (kMostLies + 1); n > 0; --n) {
    lie(input, writer, packets, block);
  }
  return block;
}

void read(const RingPacket& p) {
  std::uint64_t sum = 0;
  for (const std::byte b : p.bytes) sum += std::to_integer<std::uint64_t>(b);
  flowtable::Frame frame{.bytes = p.bytes,
                         .wire_length = p.wire_length,
                         .ethertype = p.protocol,
                         .checksum_waived = (sum & 1U) != 0,
                         .interface = p.interface,
                         .time = flowtable::PacketTime(std::chrono::nanoseconds(p.time_ns))};
  for (const auto link : {flowtable::LinkFraming::ethernet, flowtable::LinkFraming::network}) {
    flowtable::Segment segment;
    for (const auto verify : {flowtable::Verify::none, flowtable::Verify::ip_and_transport}) {
      const flowtable::DecodeRules rules{verify, flowtable::Tunnels::all()};
      static_cast<void>(flowtable::decode(link, rules, frame, segment));
    }
  }
}

auto fields(const RingPacket& p) {
  return std::tuple(p.bytes.size(), p.wire_length, p.time_ns, p.status, p.interface, p.protocol,
                    p.packet_type);
}

bool same(const std::vector<RingPacket>& a, const std::vector<RingPacket>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const RingPacket& x, const RingPacket& y) {
                      return fields(x) == fields(y) && std::ranges::equal(x.bytes, y.bytes);
                    });
}

// Walks a block in a heap buffer of its own.
ring::WalkResult walk(const std::vector<std::byte>& block, std::vector<RingPacket>& packets) {
  tpacket_block_desc header;
  std::memcpy(&header, block.data(), sizeof header);
  const ring::WalkResult result = ring::walk_block(block, [&](const RingPacket& p) {
    EXPECT_GE(p.bytes.data(), block.data());
    EXPECT_LE(p.bytes.data() + p.bytes.size(), block.data() + block.size());
    packets.push_back(p);
    read(p);
  });
  EXPECT_EQ(std::uint64_t{result.walked} + result.unreadable, header.hdr.bh1.num_pkts);
  return result;
}

class Ring {
 public:
  explicit Ring(const std::vector<std::vector<std::byte>>& blocks)
      : block_bytes_(blocks.front().size()),
        words_(blocks.size() * block_bytes_ / sizeof(std::uint64_t)) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      std::memcpy(block(i).data(), blocks[i].data(), block_bytes_);
    }
    ring_ = ring::PacketRing(memory(), block_bytes_);
  }

  // Reads to the end: packet by packet, or by whole blocks from the `whole_from`th packet on.
  std::vector<RingPacket> read_all(std::size_t whole_from) {
    std::vector<RingPacket> packets;
    while (packets.size() < whole_from && cursor_.fill(ring_)) {
      packets.push_back(cursor_.packet());
      cursor_.consume();
    }
    while (cursor_.take_block(ring_, [&](const RingPacket& p) { packets.push_back(p); }) > 0) {
    }
    EXPECT_FALSE(cursor_.fill(ring_));
    EXPECT_EQ(cursor_.consumed(), packets.size());
    return packets;
  }

  [[nodiscard]] std::uint64_t unreadable() const { return cursor_.unreadable(); }
  [[nodiscard]] bool all_given_back() {
    for (std::size_t i = 0; i < words_.size() * sizeof(std::uint64_t) / block_bytes_; ++i) {
      if (ring::Block::status(block(i)).load() != TP_STATUS_KERNEL) return false;
    }
    return true;
  }

 private:
  std::span<std::byte> memory() { return std::as_writable_bytes(std::span(words_)); }
  std::span<std::byte> block(std::size_t i) {
    return memory().subspan(i * block_bytes_, block_bytes_);
  }

  std::size_t block_bytes_;
  std::vector<std::uint64_t> words_;
  ring::PacketRing ring_;
  engine::RingCursor cursor_;
};

}  // namespace

void run(FuzzedDataProvider& input) {
  const std::size_t block_bytes = pick(input, kBlockBytes);
  const std::size_t whole_from = input.ConsumeIntegral<std::uint8_t>();
  std::vector<std::vector<std::byte>> blocks;
  for (std::size_t i = 0; i < kBlocks; ++i) blocks.push_back(make_block(input, block_bytes));

  std::vector<RingPacket> walked;
  std::uint64_t unreadable = 0;
  for (const auto& block : blocks) unreadable += walk(block, walked).unreadable;

  for (const std::size_t from : {std::size_t{0}, whole_from}) {
    Ring ring(blocks);
    EXPECT_TRUE(same(ring.read_all(from), walked));
    EXPECT_EQ(ring.unreadable(), unreadable);
    EXPECT_TRUE(ring.all_given_back());
  }
}

}  // namespace tcpeek::fuzz
