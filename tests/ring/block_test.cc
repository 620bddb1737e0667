// The block walker against blocks as the kernel writes them, and against blocks that lie: it counts
// what it cannot reach and reads nothing that is not the block's (under the address sanitizer, as
// every block here is a heap buffer of exactly its size).
#include "ring/block.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <tuple>
#include <vector>

#include "tests/support/block_writer.h"

namespace tcpeek::ring {
namespace {

using test::BlockWriter;

struct Seen {
  WalkResult result;
  std::vector<RingPacket> packets;
  std::uint64_t touched = 0;  // every byte handed out was read
};

std::uint32_t announced(std::span<const std::byte> block) {
  tpacket_block_desc descriptor{};
  std::memcpy(&descriptor, block.data(), sizeof descriptor);
  return descriptor.hdr.bh1.num_pkts;
}

Seen walk(std::span<const std::byte> block) {
  Seen seen;
  seen.result = walk_block(block, [&](const RingPacket& p) {
    seen.packets.push_back(p);
    for (const std::byte b : p.bytes) seen.touched += static_cast<std::uint8_t>(b) + 1U;
  });
  return seen;
}

// Walks, and holds what must be true of any block.
Seen walk_checked(const std::vector<std::byte>& block) {
  Seen seen = walk(block);
  EXPECT_EQ(std::uint64_t{seen.result.walked} + seen.result.unreadable, announced(block));
  EXPECT_EQ(seen.packets.size(), seen.result.walked);
  for (const RingPacket& p : seen.packets) {
    EXPECT_GE(p.bytes.data(), block.data());
    EXPECT_LE(p.bytes.data() + p.bytes.size(), block.data() + block.size());
  }
  return seen;
}

void expect(const std::vector<std::byte>& block, std::uint32_t walked, std::uint32_t unreadable) {
  const Seen seen = walk_checked(block);
  EXPECT_EQ(seen.result.walked, walked);
  EXPECT_EQ(seen.result.unreadable, unreadable);
}

TEST(BlockTest, EmptyBlockHasNoPackets) {
  expect(BlockWriter(4096).bytes(), 0, 0);
}

TEST(BlockTest, BlockWithoutRoomForItsHeaderHasNoPackets) {
  const BlockWriter writer = BlockWriter(4096).packets(1, 60);
  EXPECT_EQ(walk({}).result.walked, 0U);
  const auto cut = writer.bytes(BlockWriter::kHeaderBytes - 1);
  const WalkResult result = walk(cut).result;
  EXPECT_EQ(result.walked, 0U);
  EXPECT_EQ(result.unreadable, 0U);
}

TEST(BlockTest, OnePacketArrivesWithAllItsFields) {
  const auto block = BlockWriter(4096)
                         .packet({.bytes = {1, 2, 3, 4, 5},
                                  .wire_length = 1514,
                                  .seconds = 4'000'000'000,
                                  .nanoseconds = 999'999'999,
                                  .status = TP_STATUS_USER | TP_STATUS_CSUMNOTREADY,
                                  .interface = 0x01020304,
                                  .protocol = ETH_P_IPV6,
                                  .packet_type = PACKET_OUTGOING})
                         .bytes();
  const Seen seen = walk_checked(block);
  ASSERT_EQ(seen.packets.size(), 1U);
  const RingPacket& p = seen.packets.front();
  ASSERT_EQ(p.bytes.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(p.bytes[i], static_cast<std::byte>(i + 1));
  EXPECT_EQ(p.wire_length, 1514U);
  EXPECT_EQ(p.time_ns, 4'000'000'000'999'999'999);
  EXPECT_EQ(p.status, std::uint32_t{TP_STATUS_USER | TP_STATUS_CSUMNOTREADY});
  EXPECT_EQ(p.interface, 0x01020304U);
  EXPECT_EQ(p.protocol, ETH_P_IPV6);
  EXPECT_EQ(p.packet_type, PACKET_OUTGOING);
}

TEST(BlockTest, ManyPacketsOfOddLengthsArriveInOrder) {
  BlockWriter writer(1 << 16);
  constexpr std::uint8_t kCount = 200;
  for (std::uint8_t i = 0; i < kCount; ++i) {
    writer.packet({.bytes = std::vector<std::uint8_t>(i, i), .nanoseconds = i});
  }
  const auto block = writer.bytes();
  const Seen seen = walk_checked(block);
  ASSERT_EQ(seen.packets.size(), kCount);
  for (std::uint8_t i = 0; i < kCount; ++i) {
    const RingPacket& p = seen.packets[i];
    EXPECT_EQ(p.time_ns, i);
    ASSERT_EQ(p.bytes.size(), i);
    for (const std::byte b : p.bytes) ASSERT_EQ(b, std::byte{i});
  }
}

TEST(BlockTest, BlockFilledToItsLastByteIsWhole) {
  // 48 bytes of header and 82 before the bytes: 126 make it 256.
  const BlockWriter writer = BlockWriter(256).packets(1, 126);
  ASSERT_EQ(writer.used(), 256U);
  expect(writer.bytes(), 1, 0);
}

TEST(BlockTest, PacketWithoutBytesIsAPacket) {
  const BlockWriter writer = BlockWriter(4096).packets(3, 0);
  expect(writer.bytes(writer.used()), 3, 0);
}

TEST(BlockTest, EveryTruncationIsCountedAndNeverReadPast) {
  const BlockWriter writer = BlockWriter(4096).packets(5, 61);
  std::uint32_t walked_before = 0;
  for (std::size_t length = BlockWriter::kHeaderBytes; length <= writer.used(); ++length) {
    SCOPED_TRACE(length);
    const Seen seen = walk_checked(writer.bytes(length));
    EXPECT_GE(seen.result.walked, walked_before);
    walked_before = seen.result.walked;
  }
  EXPECT_EQ(walked_before, 5U);
}

TEST(BlockTest, PacketsBeyondTheAnnouncedOnesAreNotRead) {
  expect(BlockWriter(4096)
             .packets(5, 60)
             .change_block([](tpacket_hdr_v1& h) { h.num_pkts = 3; })
             .bytes(),
         3, 0);
}

TEST(BlockTest, AnnouncedPacketsThatAreNotThereAreUnreadable) {
  for (const std::uint32_t lie : {6U, 1000U, 0xffffffffU}) {
    expect(BlockWriter(4096)
               .packets(5, 60)
               .change_block([&](tpacket_hdr_v1& h) { h.num_pkts = lie; })
               .bytes(),
           5, lie - 5);
  }
}

TEST(BlockTest, FirstOffsetThatCannotBeIsRefused) {
  const std::uint32_t inside_header = BlockWriter::kHeaderBytes - 8;
  for (const std::uint32_t lie : {0U, 1U, inside_header, 4096U - 67U, 4096U, 4097U, 0xffffffffU}) {
    SCOPED_TRACE(lie);
    expect(BlockWriter(4096)
               .packets(5, 60)
               .change_block([&](tpacket_hdr_v1& h) { h.offset_to_first_pkt = lie; })
               .bytes(),
           0, 5);
  }
}

TEST(BlockTest, UnalignedFirstOffsetIsReadWithoutAlignmentFaults) {
  const auto block = BlockWriter(4096)
                         .packets(5, 60)
                         .change_block([](tpacket_hdr_v1& h) { ++h.offset_to_first_pkt; })
                         .bytes();
  static_cast<void>(walk_checked(block));
}

struct NextOffsetLie {
  const char* name;
  std::function<std::uint32_t(const BlockWriter&)> lie;
};

TEST(BlockTest, NextOffsetThatLeadsNowhereEndsTheWalk) {
  const std::vector<NextOffsetLie> lies = {
      {"zero before the last", [](const BlockWriter&) { return 0U; }},
      {"into itself", [](const BlockWriter&) { return 8U; }},
      {"just short of a header",
       [](const BlockWriter&) { return static_cast<std::uint32_t>(sizeof(tpacket3_hdr)) - 1; }},
      {"backwards to the first",
       [](const BlockWriter& w) {
         return static_cast<std::uint32_t>(w.packet_at(0)) -
                static_cast<std::uint32_t>(w.packet_at(2));
       }},
      {"just beyond the block",
       [](const BlockWriter& w) { return static_cast<std::uint32_t>(4096 - w.packet_at(2)); }},
      {"far beyond", [](const BlockWriter&) { return 0x7fffffffU; }},
      {"the largest", [](const BlockWriter&) { return 0xffffffffU; }},
  };
  for (const NextOffsetLie& l : lies) {
    SCOPED_TRACE(l.name);
    BlockWriter writer = BlockWriter(4096).packets(5, 60);
    const std::uint32_t offset = l.lie(writer);
    expect(writer.change(2, [&](tpacket3_hdr& h) { h.tp_next_offset = offset; }).bytes(), 3, 2);
  }
}

TEST(BlockTest, NextOffsetOfTheLastPacketDoesNotMatter) {
  for (const std::uint32_t value : {0U, 1U, 4096U, 0xffffffffU}) {
    expect(BlockWriter(4096)
               .packets(5, 60)
               .change(4, [&](tpacket3_hdr& h) { h.tp_next_offset = value; })
               .bytes(),
           5, 0);
  }
}

TEST(BlockTest, PacketBytesBeyondTheBlockAreRefused) {
  const std::size_t third = BlockWriter(4096).packets(5, 60).packet_at(2);
  const auto room = static_cast<std::uint32_t>(4096 - third);
  struct {
    std::uint16_t mac;
    std::uint32_t snaplen;
  } lies[] = {{82, room - 82 + 1}, {82, 0xffffffff}, {82, 0xffffffffU - 81},
              {0xffff, 60},        {0xffff, 0},      {0xffff, 0xffff0001}};
  for (const auto& lie : lies) {
    SCOPED_TRACE(testing::Message() << lie.mac << "+" << lie.snaplen);
    expect(BlockWriter(4096)
               .packets(5, 60)
               .change(2,
                       [&](tpacket3_hdr& h) {
                         h.tp_mac = lie.mac;
                         h.tp_snaplen = lie.snaplen;
                       })
               .bytes(),
           2, 3);
  }
}

TEST(BlockTest, PacketBytesUpToTheEndOfTheBlockAreTaken) {
  BlockWriter writer = BlockWriter(4096).packets(1, 60);
  const auto room = static_cast<std::uint32_t>(4096 - writer.packet_at(0) - 82);
  const auto block = writer.change(0, [&](tpacket3_hdr& h) { h.tp_snaplen = room; }).bytes();
  const Seen seen = walk_checked(block);
  ASSERT_EQ(seen.packets.size(), 1U);
  EXPECT_EQ(seen.packets.front().bytes.size(), room);
  EXPECT_GE(seen.touched, room);
}

TEST(BlockTest, WalkerStaysAtItsEnd) {
  const auto whole = BlockWriter(4096).packets(2, 60).bytes();
  const auto broken = BlockWriter(4096)
                          .packets(2, 60)
                          .change(0, [](tpacket3_hdr& h) { h.tp_mac = 0xffff; })
                          .bytes();
  RingPacket packet;
  for (const auto& [block, walked, unreadable] : {std::tuple{whole, 2, 0U}, {broken, 0, 2U}}) {
    BlockWalker walker(block);
    for (int i = 0; i < walked; ++i) EXPECT_TRUE(walker.next(packet));
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(walker.next(packet));
    EXPECT_EQ(walker.unreadable(), unreadable);
  }
  BlockWalker none;
  EXPECT_FALSE(none.next(packet));
  EXPECT_EQ(none.unreadable(), 0U);
}

// Values that are likely to break arithmetic, more often than chance would bring them.
std::uint32_t interesting(std::mt19937& random) {
  static constexpr std::uint32_t kValues[] = {
      0,  1,    7,     8,    47,   48,         49,         67,         68,
      82, 0xff, 0xfff, 4096, 4097, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8};
  return kValues[random() % std::size(kValues)];
}

void mutate(std::vector<std::byte>& block, const std::vector<std::size_t>& headers,
            std::mt19937& random) {
  const std::size_t start = headers[random() % headers.size()];
  const std::size_t at = start + random() % 68;
  if (random() % 2 == 0 && at + 4 <= block.size()) {
    const std::uint32_t value = interesting(random);
    std::memcpy(block.data() + at / 4 * 4, &value, sizeof value);
  } else if (at < block.size()) {
    block[at] = static_cast<std::byte>(random());
  }
}

TEST(BlockTest, RandomMutationsNeverLeadOutOfTheBlock) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::uint64_t refused = 0;
  for (int round = 0; round < 300'000 && !testing::Test::HasFailure(); ++round) {
    const std::size_t count = random() % 6;
    BlockWriter writer(1024);
    writer.packets(count, random() % 60);
    std::vector<std::size_t> headers = {0};
    for (std::size_t i = 0; i < count; ++i) headers.push_back(writer.packet_at(i));
    auto block = writer.bytes(writer.used());
    for (auto changes = 1 + random() % 4; changes > 0; --changes) mutate(block, headers, random);
    if (walk_checked(block).result.unreadable != 0) ++refused;
  }
  EXPECT_GT(refused, 10'000U) << "the mutations hardly ever broke a block";
}

}  // namespace
}  // namespace tcpeek::ring
