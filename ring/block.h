// Walks the packets of one TPACKET_V3 block: bytes in, packets out, no system call.
//
// The kernel writes a block as a header, then packets that hold the distance to the next one. Even the
// kernel's offsets are checked: one that leads out of the block, backwards or nowhere ends the walk, and
// the packets not reached are counted. Walked by
// num_pkts: the last packet's tp_next_offset is 0 (FACTS: af_packet.c, prb_close_block).
//
// Thread contract: pure functions over memory that the caller owns until it gives the block back.
#pragma once

#include <linux/if_packet.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tcpeek::ring {

struct RingPacket {
  std::span<const std::byte> bytes;  // as much as was captured
  std::uint32_t wire_length = 0;
  std::int64_t time_ns = 0;  // CLOCK_REALTIME
  std::uint32_t status = 0;  // TP_STATUS_*
  std::uint32_t interface = 0;
  std::uint16_t protocol = 0;    // ethertype, host order
  std::uint8_t packet_type = 0;  // PACKET_HOST, PACKET_OUTGOING, ...
};

namespace detail {

// The link-layer address follows the packet's header, aligned.
struct PacketHead {
  tpacket3_hdr header;
  alignas(TPACKET_ALIGNMENT) sockaddr_ll address;
};

template <class Header>
[[nodiscard]] bool copy_at(std::span<const std::byte> block, std::size_t at, Header& out) noexcept {
  if (at > block.size() || block.size() - at < sizeof(Header)) return false;
  std::memcpy(&out, block.data() + at, sizeof(Header));
  return true;
}

}  // namespace detail

// Reads the packets of one block in order.
class BlockWalker {
 public:
  BlockWalker() = default;
  explicit BlockWalker(std::span<const std::byte> block) noexcept : block_(block) {
    tpacket_block_desc descriptor;
    if (!detail::copy_at(block, 0, descriptor)) return;
    remaining_ = descriptor.hdr.bh1.num_pkts;
    at_ = descriptor.hdr.bh1.offset_to_first_pkt;
    if (at_ < sizeof(descriptor)) give_up();
  }

  // False at the end of the block, or where it stops making sense.
  [[nodiscard]] bool next(RingPacket& out) noexcept {
    if (remaining_ == 0) return false;
    detail::PacketHead head;
    const bool whole = detail::copy_at(block_, at_, head);
    const auto& [header, address] = head;
    const bool readable =
        whole && std::size_t{header.tp_mac} + header.tp_snaplen <= block_.size() - at_;
    if (!readable) {
      give_up();
      return false;
    }
    // Field by field: assigned whole, it is built elsewhere and copied in pieces that do not match the
    // stores.
    out.bytes = block_.subspan(at_ + header.tp_mac, header.tp_snaplen);
    out.wire_length = header.tp_len;
    out.time_ns = std::int64_t{header.tp_sec} * 1'000'000'000 + header.tp_nsec;
    out.status = header.tp_status;
    out.interface = static_cast<std::uint32_t>(address.sll_ifindex);
    out.protocol = __builtin_bswap16(address.sll_protocol);
    out.packet_type = address.sll_pkttype;
    --remaining_;
    // A packet that points at itself would be read again and again.
    if (header.tp_next_offset < sizeof(header)) give_up();
    at_ += header.tp_next_offset;
    return true;
  }

  // Packets that were announced, but not found where the block said.
  [[nodiscard]] std::uint32_t unreadable() const noexcept { return unreadable_; }

 private:
  void give_up() noexcept {
    unreadable_ += remaining_;
    remaining_ = 0;
  }

  std::span<const std::byte> block_;
  std::size_t at_ = 0;
  std::uint32_t remaining_ = 0;
  std::uint32_t unreadable_ = 0;
};

struct WalkResult {
  std::uint32_t walked = 0;
  std::uint32_t unreadable = 0;
};

// Calls fn(const RingPacket&) for each packet of `block`.
template <class Fn>
WalkResult walk_block(std::span<const std::byte> block, Fn&& fn) noexcept {
  BlockWalker walker(block);
  WalkResult result;
  RingPacket packet;
  for (; walker.next(packet); ++result.walked) fn(packet);
  result.unreadable = walker.unreadable();
  return result;
}

}  // namespace tcpeek::ring
