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

// The fields of a packet's head, read where they lie: a copy of it is written and read again in pieces of
// other sizes. To be asked only if the head is whole.
class HeadFields {
 public:
  explicit HeadFields(std::span<const std::byte> head) noexcept : head_(head.data()) {}

  [[nodiscard]] std::uint32_t next() const noexcept {
    return at<std::uint32_t>(offsetof(tpacket3_hdr, tp_next_offset));
  }
  [[nodiscard]] std::uint16_t mac() const noexcept {
    return at<std::uint16_t>(offsetof(tpacket3_hdr, tp_mac));
  }
  [[nodiscard]] std::uint32_t captured() const noexcept {
    return at<std::uint32_t>(offsetof(tpacket3_hdr, tp_snaplen));
  }
  [[nodiscard]] std::uint32_t wire_length() const noexcept {
    return at<std::uint32_t>(offsetof(tpacket3_hdr, tp_len));
  }
  [[nodiscard]] std::int64_t time_ns() const noexcept {
    return std::int64_t{at<std::uint32_t>(offsetof(tpacket3_hdr, tp_sec))} * 1'000'000'000 +
           at<std::uint32_t>(offsetof(tpacket3_hdr, tp_nsec));
  }
  [[nodiscard]] std::uint32_t status() const noexcept {
    return at<std::uint32_t>(offsetof(tpacket3_hdr, tp_status));
  }
  [[nodiscard]] std::uint32_t interface() const noexcept {
    return at<std::uint32_t>(kAddress + offsetof(sockaddr_ll, sll_ifindex));
  }
  [[nodiscard]] std::uint16_t protocol() const noexcept {
    return __builtin_bswap16(at<std::uint16_t>(kAddress + offsetof(sockaddr_ll, sll_protocol)));
  }
  [[nodiscard]] std::uint8_t packet_type() const noexcept {
    return at<std::uint8_t>(kAddress + offsetof(sockaddr_ll, sll_pkttype));
  }

 private:
  static constexpr std::size_t kAddress = offsetof(PacketHead, address);

  template <class T>
  [[nodiscard]] T at(std::size_t offset) const noexcept {
    T value;
    std::memcpy(&value, head_ + offset, sizeof value);
    return value;
  }

  const std::byte* head_;
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
    const bool whole = at_ <= block_.size() && block_.size() - at_ >= sizeof(detail::PacketHead);
    const std::span<const std::byte> rest = whole ? block_.subspan(at_) : block_.first(0);
    const detail::HeadFields head(rest);
    if (!whole || std::size_t{head.mac()} + head.captured() > rest.size()) {
      give_up();
      return false;
    }
    // Some packets ahead: the kernel wrote them on another processor, and lines come faster than they are asked
    // for one by one.
    if (rest.size() > kAhead) __builtin_prefetch(rest.data() + kAhead);
    // Field by field: assigned whole, it is built elsewhere and copied in pieces that do not match the
    // stores.
    out.bytes = rest.subspan(head.mac(), head.captured());
    out.wire_length = head.wire_length();
    out.time_ns = head.time_ns();
    out.status = head.status();
    out.interface = head.interface();
    out.protocol = head.protocol();
    out.packet_type = head.packet_type();
    --remaining_;
    // A packet that points at itself would be read again and again.
    const std::uint32_t next = head.next();
    if (next < sizeof(tpacket3_hdr)) give_up();
    at_ += next;
    return true;
  }

  // Packets that were announced, but not found where the block said.
  [[nodiscard]] std::uint32_t unreadable() const noexcept { return unreadable_; }

 private:
  // Of four to six small packets, in bytes.
  static constexpr std::size_t kAhead = 512;

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
