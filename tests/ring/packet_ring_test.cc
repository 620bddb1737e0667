// The reader's side of the ring, with a thread that plays the kernel: it fills blocks in order,
// hands each over by its status and waits for the reader to give it back. Run under the thread
// sanitizer, which sees any access that the status does not order.
#include "ring/packet_ring.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "ring/block.h"
#include "tests/support/block_writer.h"

namespace tcpeek::ring {
namespace {

using test::BlockWriter;

constexpr std::size_t kBlockBytes = 4096;
constexpr auto kPatience = std::chrono::seconds(60);

class RingMemory {
 public:
  explicit RingMemory(std::size_t blocks)
      : words_(blocks * kBlockBytes / sizeof(std::uint64_t)), blocks_(blocks) {}

  [[nodiscard]] std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(words_)); }
  [[nodiscard]] std::span<std::byte> block(std::size_t i) {
    return bytes().subspan(i % blocks_ * kBlockBytes, kBlockBytes);
  }
  [[nodiscard]] PacketRing ring() { return {bytes(), kBlockBytes}; }
  [[nodiscard]] std::uint32_t status(std::size_t i) {
    return Block::status(block(i)).load(std::memory_order_acquire);
  }
  // One packet with this number as its time.
  void fill(std::size_t i, std::uint32_t number, std::uint32_t status = TP_STATUS_USER) {
    const auto byte = static_cast<std::uint8_t>(number);
    BlockWriter(kBlockBytes)
        .packet({.bytes = {byte, byte}, .nanoseconds = number})
        .publish(block(i), status);
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t blocks_;
};

// The numbers in a block; -1 for a packet whose bytes are another's. (The bytes are read one by
// one: gcc's thread sanitizer does not see a memcpy that was inlined.)
std::vector<std::int64_t> numbers(const Block& block) {
  std::vector<std::int64_t> result;
  walk_block(block.bytes(), [&](const RingPacket& p) {
    bool whole = p.bytes.size() == 2;
    for (const std::byte b : p.bytes) whole &= b == static_cast<std::byte>(p.time_ns);
    result.push_back(whole ? p.time_ns : -1);
  });
  return result;
}

TEST(PacketRingTest, NothingBeforeTheKernelHandsABlockOver) {
  RingMemory memory(4);
  PacketRing ring = memory.ring();
  EXPECT_FALSE(ring.next());
  EXPECT_FALSE(ring.next());
}

TEST(PacketRingTest, BlockIsOursUntilDestroyed) {
  RingMemory memory(2);
  PacketRing ring = memory.ring();
  memory.fill(0, 7);
  {
    auto block = ring.next();
    ASSERT_TRUE(block);
    EXPECT_EQ(block->bytes().data(), memory.block(0).data());
    EXPECT_EQ(block->bytes().size(), kBlockBytes);
    EXPECT_EQ(numbers(*block), std::vector<std::int64_t>{7});
    EXPECT_EQ(memory.status(0), std::uint32_t{TP_STATUS_USER});
  }
  EXPECT_EQ(memory.status(0), std::uint32_t{TP_STATUS_KERNEL});
}

TEST(PacketRingTest, MovedBlockIsGivenBackOnceByItsLastOwner) {
  RingMemory memory(2);
  PacketRing ring = memory.ring();
  memory.fill(0, 1);
  auto first = ring.next();
  ASSERT_TRUE(first);
  {
    const Block second = std::move(*first);
    first.reset();
    EXPECT_EQ(memory.status(0), std::uint32_t{TP_STATUS_USER});
    EXPECT_EQ(second.bytes().size(), kBlockBytes);
  }
  EXPECT_EQ(memory.status(0), std::uint32_t{TP_STATUS_KERNEL});
}

TEST(PacketRingTest, OtherStatusBitsDoNotHideABlock) {
  RingMemory memory(2);
  PacketRing ring = memory.ring();
  memory.fill(0, 1, TP_STATUS_USER | TP_STATUS_LOSING | TP_STATUS_BLK_TMO);
  EXPECT_TRUE(ring.next());
  memory.fill(1, 2, TP_STATUS_LOSING | TP_STATUS_BLK_TMO);
  EXPECT_FALSE(ring.next()) << "not handed over";
}

TEST(PacketRingTest, WaitsForTheNextInOrderEvenIfALaterOneIsReady) {
  RingMemory memory(3);
  PacketRing ring = memory.ring();
  memory.fill(1, 11);
  memory.fill(2, 12);
  EXPECT_FALSE(ring.next());
  memory.fill(0, 10);
  for (const std::int64_t expected : {10, 11, 12}) {
    const auto block = ring.next();
    ASSERT_TRUE(block);
    EXPECT_EQ(numbers(*block), std::vector<std::int64_t>{expected});
  }
  EXPECT_FALSE(ring.next());
}

TEST(PacketRingTest, WrapsAroundInRingsOfAnyLength) {
  for (const std::size_t blocks : {1U, 2U, 3U, 8U}) {
    SCOPED_TRACE(blocks);
    RingMemory memory(blocks);
    PacketRing ring = memory.ring();
    for (std::uint32_t i = 0; i < 40; ++i) {
      memory.fill(i, i);
      const auto block = ring.next();
      ASSERT_TRUE(block);
      EXPECT_EQ(block->bytes().data(), memory.block(i).data());
      EXPECT_EQ(numbers(*block), std::vector<std::int64_t>{i});
    }
  }
}

// Waits until `ready()`; false if it never is.
template <class Condition>
bool wait_for(Condition&& ready) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!ready()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(PacketRingTest, KernelInAnotherThreadLosesAndDoublesNothing) {
  constexpr std::size_t kBlocks = 4;
  constexpr std::uint32_t kTotal = 5'000;  // a time slice each, where processors are busy
  RingMemory memory(kBlocks);
  PacketRing ring = memory.ring();
  std::jthread kernel([&](const std::stop_token& stop) {
    for (std::uint32_t i = 0; i < kTotal; ++i) {
      // The kernel writes a block only once it is its own again.
      if (!wait_for([&] { return stop.stop_requested() || memory.status(i) == TP_STATUS_KERNEL; }))
        return;
      if (stop.stop_requested()) return;
      memory.fill(i, i);
    }
  });
  for (std::uint32_t expected = 0; expected < kTotal; ++expected) {
    ASSERT_TRUE(wait_for([&] {
      const auto block = ring.next();
      if (!block) return false;
      EXPECT_EQ(numbers(*block), std::vector<std::int64_t>{expected});
      return true;
    })) << "stuck after "
        << expected;
    if (HasFailure()) break;
  }
  EXPECT_FALSE(ring.next());
}

}  // namespace
}  // namespace tcpeek::ring
