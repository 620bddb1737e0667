// The reader's side of a mapped TPACKET_V3 ring: which block is next, whether it is ours, and
// giving it back.
//
// block_status passes the ownership of a block: the kernel stores TP_STATUS_USER, we read it with
// acquire before anything else in the block and store TP_STATUS_KERNEL with release when done;
// anything less is a data race. Blocks are given back in order, since poll() checks only the one
// before the kernel's next.
//
// Thread contract: used by one reader. No system calls.
#pragma once

#include <linux/if_packet.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace tcpeek::ring {

// A block that is ours. Its destructor gives it back to the kernel.
class Block {
 public:
  explicit Block(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}
  ~Block() {
    if (!bytes_.empty()) status(bytes_).store(TP_STATUS_KERNEL, std::memory_order_release);
  }
  Block(Block&& o) noexcept : bytes_(std::exchange(o.bytes_, {})) {}
  Block& operator=(Block&& o) noexcept {
    std::swap(bytes_, o.bytes_);
    return *this;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

  [[nodiscard]] static std::atomic_ref<std::uint32_t> status(std::span<std::byte> bytes) noexcept {
    auto* descriptor = reinterpret_cast<tpacket_block_desc*>(bytes.data());
    return std::atomic_ref<std::uint32_t>(descriptor->hdr.bh1.block_status);
  }

 private:
  std::span<std::byte> bytes_;
};

class PacketRing {
 public:
  PacketRing() = default;
  // `memory` holds `block_count` blocks of `block_bytes` and outlives the ring.
  PacketRing(std::span<std::byte> memory, std::size_t block_bytes) noexcept
      : memory_(memory), block_bytes_(block_bytes) {}

  // The next block in order, once the kernel has filled it. The one before must be given back
  // first.
  [[nodiscard]] std::optional<Block> next() noexcept {
    const auto bytes = memory_.subspan(at_, block_bytes_);
    const auto status = Block::status(bytes).load(std::memory_order_acquire);
    if ((status & TP_STATUS_USER) == 0) return std::nullopt;
    at_ = at_ + block_bytes_ < memory_.size() ? at_ + block_bytes_ : 0;
    return Block(bytes);
  }

 private:
  std::span<std::byte> memory_;
  std::size_t block_bytes_ = 0;
  std::size_t at_ = 0;
};

}  // namespace tcpeek::ring
