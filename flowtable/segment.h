// A decoded TCP segment, or the one that an ICMP error quotes: all that the tracker needs of a
// packet.
//
// Thread contract: plain values; one may be handed to another reader's mailbox.
#pragma once

#include <cstdint>
#include <type_traits>

#include "flowtable/flow_key.h"
#include "flowtable/icmp_error.h"
#include "flowtable/time.h"

namespace tcpeek::flowtable {

namespace tcp_flag {
inline constexpr std::uint8_t fin = 0x01;
inline constexpr std::uint8_t syn = 0x02;
inline constexpr std::uint8_t rst = 0x04;
inline constexpr std::uint8_t ack = 0x10;
// Of a SYN alone, in the place of URG, which no stack sets there: it has a Fast Open option. Set by decode()
// where it reads options (fast_open.h); a SYN with URG and only usual options is taken for one that has it.
inline constexpr std::uint8_t fast_open = 0x20;
inline constexpr std::uint8_t ece = 0x40;
inline constexpr std::uint8_t cwr = 0x80;
}  // namespace tcp_flag

enum class SegmentKind : std::uint8_t {
  tcp,
  unreachable,  // quoted by an ICMP error that ends the attempt (destination unreachable, time
                // exceeded, parameter problem): key, sender and sequence are the quoted SYN's
};

struct Segment {
  FlowKey key;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint32_t interface = 0;  // index of the interface that saw it
  PacketTime time{};
  std::uint16_t payload = 0;  // bytes of TCP data, according to the IP header
  std::uint8_t flags = 0;
  SegmentKind kind = SegmentKind::tcp;
  Sender sender = Sender::low;
  std::uint8_t hop_limit = 0;  // or time to live; of a tunnel's inner header
  // Of a SYN: mixed from IP identification and TCP timestamp, which differ between two sendings and
  // agree between copies that the capture made of one.
  std::uint8_t print = 0;
  // Of an ICMP error: its sender. Its type is in `flags`, its code in `print`.
  IpAddress router{};

  [[nodiscard]] IcmpError icmp_error() const noexcept {
    return {.router = router, .type = flags, .code = print, .v6 = !is_v4(key.low_address)};
  }

  // This opens an attempt, whatever other flags are set.
  [[nodiscard]] bool opens() const noexcept {
    constexpr auto deciding = tcp_flag::syn | tcp_flag::ack | tcp_flag::rst | tcp_flag::fin;
    return kind == SegmentKind::tcp && (flags & deciding) == tcp_flag::syn;
  }
  // A SYN/ACK.
  [[nodiscard]] bool answers() const noexcept {
    constexpr auto deciding = tcp_flag::syn | tcp_flag::ack | tcp_flag::rst | tcp_flag::fin;
    return kind == SegmentKind::tcp && (flags & deciding) == (tcp_flag::syn | tcp_flag::ack);
  }
};

static_assert(std::is_trivially_copyable_v<Segment> && sizeof(Segment) <= 80,
              "segments are batched and mailed by copying");

}  // namespace tcpeek::flowtable
