// From bytes to a Segment: one frame in, a segment or the reason why there is none out.
//
// Every length is checked against what was captured before a byte is read; what the headers claim
// is checked against each other. Fragments other than the first are never read as TCP. IPv4 with
// options and AH, IPv6 with up to eight extension headers (flowtable/ip_header.h), tags several deep
// (VLAN, VN-Tag, E-Tag), LLC and SNAP, PPPoE sessions, MPLS; ICMP and ICMPv6 errors that end a
// connection attempt and quote as little as 8 bytes of TCP, whatever lengths the quotation tells. In
// tunnels (flowtable/tunnel_header.h), the innermost packet counts, and what it says of its length may
// exceed the packet around it: mirrors cut what they send.
//
// Source: RFC 9293, RFC 792, RFC 4443, RFC 4884, IEEE 802.1Q, 802.1BR, 802.2 and 802.3, RFC 1042 (SNAP),
// RFC 2516 and RFC 1661 (PPPoE), RFC 3032 (MPLS), the link-layer header types of tcpdump.org.
// Thread contract: pure function. Nothing here allocates or throws.
#pragma once

#include <cstdint>
#include <optional>

#include "flowtable/bytes.h"
#include "flowtable/ignored.h"
#include "flowtable/segment.h"
#include "flowtable/tunnels.h"

namespace tcpeek::flowtable {

// What is at the first byte of a frame.
enum class LinkFraming : std::uint8_t {
  ethernet,
  network,    // no link header: the payload of Frame::ethertype comes first
  raw_ip,     // the same; IPv4 or IPv6 as the first nibble says
  cooked,     // Linux "any" device, first version (LINUX_SLL)
  cooked_v2,  // second version, with the interface's index (LINUX_SLL2)
  family,     // BSD loopback: the address family, in either byte order (NULL, LOOP)
  nflog,      // a message of netfilter's log, in either byte order (NFLOG)
};

enum class Verify : std::uint8_t { none, ip_header, ip_and_transport };

struct DecodeRules {
  Verify verify = Verify::none;
  Tunnels tunnels{};  // looked into
};

struct Frame {
  Bytes bytes;                    // as much as was captured
  std::uint32_t wire_length = 0;  // as long as it was
  std::uint16_t ethertype = 0;    // for LinkFraming::network
  bool checksum_waived = false;   // not computed yet, or verified by the hardware already
  std::uint32_t interface = 0;    // unless the link header has it
  PacketTime time{};
};

// Fills `segment` and returns nullopt, or returns the reason why there is none.
[[nodiscard]] std::optional<Ignored> decode(LinkFraming link, const DecodeRules& rules,
                                            const Frame& frame, Segment& segment) noexcept;

}  // namespace tcpeek::flowtable
