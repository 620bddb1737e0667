// Writes a TPACKET_V3 block into memory byte for byte as the kernel does, so that the block walker
// can be tested without a socket; and lets a test make it lie afterwards.
//
// Layout: the block's header, then packets: tpacket3_hdr, sockaddr_ll, room for a link header,
// bytes; each padded to 8 bytes, the last one with tp_next_offset 0. Source: Linux
// net/packet/af_packet.c (tpacket_rcv, prb_fill_curr_block, prb_close_block).
//
// block_status is left alone until publish(): it belongs to the owner of the block.
#pragma once

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

namespace tcpeek::test {

struct BlockPacket {
  std::vector<std::uint8_t> bytes;
  std::uint32_t wire_length = 0;  // 0: as long as the bytes
  std::uint32_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::uint32_t status = TP_STATUS_USER;
  std::uint32_t interface = 1;
  std::uint16_t protocol = ETH_P_IP;
  std::uint8_t packet_type = PACKET_HOST;
};

class BlockWriter {
 public:
  static constexpr std::size_t kHeaderBytes = sizeof(tpacket_block_desc);
  // Where a packet's bytes begin for SOCK_RAW on Ethernet.
  static constexpr std::uint16_t kMacOffset =
      (sizeof(tpacket3_hdr) + sizeof(sockaddr_ll) + 16 + 15) / 16 * 16 - ETH_HLEN;

  explicit BlockWriter(std::size_t block_bytes) : bytes_(block_bytes) { describe(); }

  BlockWriter& packet(const BlockPacket& p) {
    const std::size_t length = kMacOffset + p.bytes.size();
    const std::size_t padded = (length + 7) / 8 * 8;
    if (padded > bytes_.size() - end_) throw std::length_error("the packet does not fit the block");
    if (!packets_.empty()) {
      const auto distance = static_cast<std::uint32_t>(end_ - packets_.back());
      change(packets_.size() - 1, [&](tpacket3_hdr& h) { h.tp_next_offset = distance; });
    }
    tpacket3_hdr header{};
    header.tp_sec = p.seconds;
    header.tp_nsec = p.nanoseconds;
    header.tp_snaplen = static_cast<std::uint32_t>(p.bytes.size());
    header.tp_len = p.wire_length != 0 ? p.wire_length : header.tp_snaplen;
    header.tp_status = p.status;
    header.tp_mac = kMacOffset;
    header.tp_net = kMacOffset + ETH_HLEN;
    sockaddr_ll address{};
    address.sll_family = 17;  // AF_PACKET
    address.sll_protocol = __builtin_bswap16(p.protocol);
    address.sll_ifindex = static_cast<int>(p.interface);
    address.sll_pkttype = p.packet_type;
    std::memcpy(bytes_.data() + end_, &header, sizeof header);
    std::memcpy(bytes_.data() + end_ + sizeof header, &address, sizeof address);
    std::transform(p.bytes.begin(), p.bytes.end(),
                   bytes_.begin() + static_cast<std::ptrdiff_t>(end_ + kMacOffset),
                   [](std::uint8_t b) { return std::byte{b}; });
    packets_.push_back(end_);
    end_ += padded;
    return describe();
  }

  BlockWriter& packets(std::size_t count, std::size_t length) {
    for (std::size_t i = 0; i < count; ++i) {
      packet({.bytes = std::vector<std::uint8_t>(length, static_cast<std::uint8_t>(i))});
    }
    return *this;
  }

  // Lies: fn changes the header of packet `index`, or the block's own.
  template <class Fn>
  BlockWriter& change(std::size_t index, Fn&& fn) {
    return rewrite<tpacket3_hdr>(packets_.at(index), fn);
  }
  template <class Fn>
  BlockWriter& change_block(Fn&& fn) {
    return rewrite<tpacket_block_desc>(0, [&](tpacket_block_desc& d) { fn(d.hdr.bh1); });
  }

  [[nodiscard]] std::size_t packet_at(std::size_t index) const { return packets_.at(index); }
  // Bytes written so far, padding of the last packet included.
  [[nodiscard]] std::size_t used() const { return end_; }

  // The whole block, or its first bytes, in a heap buffer of exactly that size: the address
  // sanitizer sees the first byte read behind it.
  [[nodiscard]] std::vector<std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> bytes(std::size_t length) const {
    return {bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(length)};
  }

  // Hands the block over in place, as the kernel does: content first, then the status.
  void publish(std::span<std::byte> place, std::uint32_t status = TP_STATUS_USER) const {
    constexpr std::size_t kStatus = offsetof(tpacket_block_desc, hdr.bh1.block_status);
    constexpr std::size_t kBehind = kStatus + sizeof(std::uint32_t);
    std::memcpy(place.data(), bytes_.data(), kStatus);
    std::memcpy(place.data() + kBehind, bytes_.data() + kBehind, end_ - kBehind);
    std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(place.data() + kStatus))
        .store(status, std::memory_order_release);
  }

 private:
  template <class Header, class Fn>
  BlockWriter& rewrite(std::size_t at, Fn&& fn) {
    Header header;
    std::memcpy(&header, bytes_.data() + at, sizeof header);
    fn(header);
    std::memcpy(bytes_.data() + at, &header, sizeof header);
    return *this;
  }

  BlockWriter& describe() {
    return change_block([&](tpacket_hdr_v1& h) {
      h.block_status = TP_STATUS_USER;
      h.num_pkts = static_cast<std::uint32_t>(packets_.size());
      h.offset_to_first_pkt = kHeaderBytes;
      h.blk_len = static_cast<std::uint32_t>(end_);
    });
  }

  std::vector<std::byte> bytes_;
  std::vector<std::size_t> packets_;
  std::size_t end_ = kHeaderBytes;
};

}  // namespace tcpeek::test
