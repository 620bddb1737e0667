// The next packet across the blocks of a ring, and when a block goes back to the kernel.
#include "engine/live/ring_cursor.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/block_writer.h"

namespace tcpeek::engine {
namespace {

using test::BlockWriter;

constexpr std::size_t kBlockBytes = 4096;

class RingCursorTest : public testing::Test {
 protected:
  static constexpr std::size_t kBlocks = 4;

  void SetUp() override { ring_ = ring::PacketRing(memory(), kBlockBytes); }

  [[nodiscard]] std::span<std::byte> memory() { return std::as_writable_bytes(std::span(words_)); }
  [[nodiscard]] std::span<std::byte> block(std::size_t i) {
    return memory().subspan(i % kBlocks * kBlockBytes, kBlockBytes);
  }
  [[nodiscard]] bool with_kernel(std::size_t i) {
    return ring::Block::status(block(i)).load(std::memory_order_acquire) == TP_STATUS_KERNEL;
  }
  // Packets whose times are `first`, first + 1, ...
  static BlockWriter packets(std::uint32_t first, std::uint32_t count) {
    BlockWriter writer(kBlockBytes);
    for (std::uint32_t i = 0; i < count; ++i) {
      writer.packet({.bytes = {static_cast<std::uint8_t>(first + i)}, .nanoseconds = first + i});
    }
    return writer;
  }
  // The time of the next packet, consumed; -1 if there is none.
  std::int64_t take() {
    if (!cursor_.fill(ring_)) return -1;
    EXPECT_TRUE(cursor_.filled());
    EXPECT_EQ(cursor_.packet().bytes.size(), 1U);
    const std::int64_t time = cursor_.packet().time_ns;
    EXPECT_EQ(cursor_.packet().bytes[0], static_cast<std::byte>(time));
    cursor_.consume();
    return time;
  }

  std::vector<std::uint64_t> words_ =
      std::vector<std::uint64_t>(kBlocks * kBlockBytes / sizeof(std::uint64_t));
  ring::PacketRing ring_;
  RingCursor cursor_;
};

TEST_F(RingCursorTest, NothingInAnEmptyRing) {
  EXPECT_FALSE(cursor_.fill(ring_));
  EXPECT_FALSE(cursor_.fill(ring_));
  EXPECT_FALSE(cursor_.filled());
  EXPECT_EQ(cursor_.consumed(), 0U);
}

TEST_F(RingCursorTest, PacketsOfSeveralBlocksInOrder) {
  packets(0, 3).publish(block(0));
  packets(3, 1).publish(block(1));
  packets(4, 5).publish(block(2));
  for (std::int64_t i = 0; i < 9; ++i) EXPECT_EQ(take(), i);
  EXPECT_EQ(take(), -1);
  EXPECT_EQ(cursor_.consumed(), 9U);
  EXPECT_EQ(cursor_.unreadable(), 0U);
}

TEST_F(RingCursorTest, FillKeepsAPacketUntilItIsConsumed) {
  packets(7, 2).publish(block(0));
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(cursor_.fill(ring_));
    EXPECT_EQ(cursor_.packet().time_ns, 7);
  }
  EXPECT_EQ(cursor_.consumed(), 0U);
  cursor_.consume();
  EXPECT_FALSE(cursor_.filled());
  EXPECT_EQ(cursor_.consumed(), 1U);
  EXPECT_EQ(take(), 8);
}

TEST_F(RingCursorTest, ABlockGoesBackWhenItsPacketsAreConsumedNotBefore) {
  packets(0, 2).publish(block(0));
  packets(2, 1).publish(block(1));
  EXPECT_EQ(take(), 0);
  EXPECT_FALSE(with_kernel(0));
  ASSERT_TRUE(cursor_.fill(ring_));
  EXPECT_FALSE(with_kernel(0));
  EXPECT_EQ(cursor_.packet().bytes[0], std::byte{1}) << "still readable";
  cursor_.consume();
  ASSERT_TRUE(cursor_.fill(ring_));
  EXPECT_TRUE(with_kernel(0));
  EXPECT_FALSE(with_kernel(1));
  cursor_.consume();
  EXPECT_FALSE(cursor_.fill(ring_));
  EXPECT_TRUE(with_kernel(1)) << "also when nothing follows";
}

TEST_F(RingCursorTest, TakesWhatIsLeftOfABlockThenBlockByBlock) {
  packets(0, 3).publish(block(0));
  packets(3, 2).change(0, [](tpacket3_hdr& h) { h.tp_next_offset = 1 << 20; }).publish(block(1));
  EXPECT_EQ(take(), 0);
  std::vector<std::int64_t> times;
  const auto note = [&](const ring::RingPacket& packet) {
    EXPECT_EQ(packet.bytes[0], static_cast<std::byte>(packet.time_ns));
    times.push_back(packet.time_ns);
  };
  EXPECT_EQ(cursor_.take_block(ring_, note), 2U);
  EXPECT_EQ(times, (std::vector<std::int64_t>{1, 2}));
  EXPECT_TRUE(with_kernel(0)) << "a block goes back at its end, not at the next one's begin";
  EXPECT_EQ(cursor_.take_block(ring_, note), 1U);
  EXPECT_TRUE(with_kernel(1));
  EXPECT_EQ(cursor_.take_block(ring_, note), 0U);
  EXPECT_FALSE(cursor_.filled());
  EXPECT_EQ(cursor_.consumed(), 4U);
  EXPECT_EQ(cursor_.unreadable(), 1U);
}

TEST_F(RingCursorTest, GoesRoundTheRing) {
  for (std::uint32_t i = 0; i < 50; ++i) {
    packets(i, 1).publish(block(i));
    EXPECT_EQ(take(), i);
  }
  EXPECT_EQ(take(), -1);
  EXPECT_EQ(cursor_.consumed(), 50U);
}

TEST_F(RingCursorTest, BlocksWithoutPacketsArePassedOver) {
  packets(0, 0).publish(block(0));
  packets(0, 0).publish(block(1));
  packets(5, 1).publish(block(2));
  EXPECT_EQ(take(), 5);
  EXPECT_TRUE(with_kernel(0));
  EXPECT_TRUE(with_kernel(1));
  EXPECT_EQ(cursor_.unreadable(), 0U);
}

TEST_F(RingCursorTest, UnreadablePacketsAreCountedAndPassedOver) {
  packets(0, 4).change(1, [](tpacket3_hdr& h) { h.tp_next_offset = 1 << 20; }).publish(block(0));
  packets(9, 1).publish(block(1));
  EXPECT_EQ(take(), 0);
  EXPECT_EQ(take(), 1);
  EXPECT_EQ(take(), 9);
  EXPECT_EQ(cursor_.consumed(), 3U);
  EXPECT_EQ(cursor_.unreadable(), 2U);
  EXPECT_TRUE(with_kernel(0));
}

TEST_F(RingCursorTest, AWhollyUnreadableRingEnds) {
  for (std::size_t i = 0; i < kBlocks; ++i) {
    packets(0, 3)
        .change_block([](tpacket_hdr_v1& h) { h.offset_to_first_pkt = 0; })
        .publish(block(i));
  }
  EXPECT_FALSE(cursor_.fill(ring_));
  EXPECT_EQ(cursor_.consumed(), 0U);
  EXPECT_EQ(cursor_.unreadable(), 3 * kBlocks);
  for (std::size_t i = 0; i < kBlocks; ++i) EXPECT_TRUE(with_kernel(i)) << i;
}

TEST_F(RingCursorTest, WhatComesLaterIsFound) {
  EXPECT_EQ(take(), -1);
  packets(1, 1).publish(block(0));
  EXPECT_EQ(take(), 1);
  EXPECT_EQ(take(), -1);
  packets(2, 1).publish(block(1));
  EXPECT_EQ(take(), 2);
}

TEST_F(RingCursorTest, GivesItsBlockBackWhenItEnds) {
  packets(0, 2).publish(block(0));
  {
    RingCursor cursor;
    ASSERT_TRUE(cursor.fill(ring_));
    EXPECT_FALSE(with_kernel(0));
  }
  EXPECT_TRUE(with_kernel(0));
}

}  // namespace
}  // namespace tcpeek::engine
