// The next unread packet of one ring, across its blocks.
//
// Thread contract: one reader's. Nothing here allocates, locks or makes a system call.
// Invariant: a block is held only while packets of it are unread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ring/block.h"
#include "ring/packet_ring.h"

namespace tcpeek::engine {

class RingCursor {
 public:
  // Whether there is an unread packet now.
  [[nodiscard]] bool fill(ring::PacketRing& ring) noexcept {
    while (!filled_) {
      filled_ = walker_.next(packet_);
      if (filled_) break;
      unreadable_ += walker_.unreadable();
      walker_ = {};
      block_.reset();
      block_ = ring.next();
      if (!block_) return false;
      walker_ = ring::BlockWalker(block_->bytes());
    }
    return true;
  }

  [[nodiscard]] bool filled() const noexcept { return filled_; }
  [[nodiscard]] const ring::RingPacket& packet() const noexcept { return packet_; }

  // The packet has been processed; its bytes may be gone after the next fill().
  void consume() noexcept {
    filled_ = false;
    ++consumed_;
  }

  // Calls fn(packet) for all that is left of the block in hand, or for the next one, and gives it
  // back: for a ring whose packets need not wait for another's. Returns how many there were; none:
  // there is no packet now.
  template <class Fn>
  std::size_t take_block(ring::PacketRing& ring, Fn&& fn) noexcept {
    if (!fill(ring)) return 0;
    // Local copies, which the compiler can keep in registers.
    ring::BlockWalker walker = walker_;
    ring::RingPacket packet = packet_;
    std::size_t taken = 0;
    do {
      fn(packet);
      ++taken;
    } while (walker.next(packet));
    filled_ = false;
    consumed_ += taken;
    unreadable_ += walker.unreadable();
    walker_ = {};
    block_.reset();
    return taken;
  }

  [[nodiscard]] std::uint64_t consumed() const noexcept { return consumed_; }
  [[nodiscard]] std::uint64_t unreadable() const noexcept { return unreadable_; }

 private:
  std::optional<ring::Block> block_;
  ring::BlockWalker walker_;
  ring::RingPacket packet_;
  bool filled_ = false;
  std::uint64_t consumed_ = 0;
  std::uint64_t unreadable_ = 0;
};

}  // namespace tcpeek::engine
