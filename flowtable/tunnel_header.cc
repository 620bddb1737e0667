// Each header is a function that steps over it, or says why not: the capture ends inside it
// (`truncated`), or it is none (`not_tcp`), as for any payload that is not read.

#include "flowtable/tunnel_header.h"

#include <algorithm>

#include "flowtable/link_header.h"

namespace tcpeek::flowtable {
namespace {

using Stop = std::optional<Ignored>;

constexpr std::uint8_t kProtocolIpv4 = 4;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint8_t kProtocolIpv6 = 41;
constexpr std::uint8_t kProtocolGre = 47;

constexpr std::uint16_t kBridgedEthernet = 0x6558;
constexpr std::size_t kUdpHeader = 8;

// The first `size` bytes of what is left are there.
Stop need(const TunnelContent& content, std::size_t size) noexcept {
  if (content.length < size) return Ignored::not_tcp;
  if (content.bytes.size() < size) return Ignored::truncated;
  return std::nullopt;
}

Stop skip(TunnelContent& content, std::size_t size) noexcept {
  if (const Stop stop = need(content, size)) return stop;
  content.bytes = content.bytes.subspan(size);
  content.length -= size;
  return std::nullopt;
}

void holds_ethernet(TunnelContent& content) noexcept {
  content.link = LinkFraming::ethernet;
}

void holds(std::uint16_t ethertype, TunnelContent& content) noexcept {
  content.link = LinkFraming::network;
  content.ethertype = ethertype;
}

// By the protocol number of GRE and Geneve, which is an ethertype.
void holds_protocol(std::uint16_t protocol, TunnelContent& content) noexcept {
  if (protocol == kBridgedEthernet) return holds_ethernet(content);
  holds(protocol, content);
}

// The datagram ends where its own length says, as the kernel has it. That of a first fragment is the
// whole datagram's, and zero is what segmentation offload leaves.
Stop skip_udp(TunnelContent& content) noexcept {
  if (const Stop stop = need(content, kUdpHeader)) return stop;
  const std::size_t told = u16_at(content.bytes, 4);
  if (told != 0) {
    if (told < kUdpHeader) return Ignored::not_tcp;
    content.length = std::min(content.length, told);
    content.bytes = content.bytes.first(std::min(content.bytes.size(), content.length));
  }
  return skip(content, kUdpHeader);
}

// With the P bit, VXLAN-GPE: the last byte before the VNI says what follows.
Stop skip_vxlan(TunnelContent& content) noexcept {
  constexpr std::size_t kHeader = 8;
  constexpr unsigned kValidVni = 0x08;
  constexpr unsigned kNextProtocol = 0x04;
  if (const Stop stop = need(content, kHeader)) return stop;
  const unsigned flags = byte_at(content.bytes, 0);
  if ((flags & kValidVni) == 0) return Ignored::not_tcp;
  const std::uint8_t next = (flags & kNextProtocol) != 0 ? byte_at(content.bytes, 3) : 3;
  if (next < 1 || next > 3) return Ignored::not_tcp;
  if (next == 3) {
    holds_ethernet(content);
  } else {
    holds(next == 1 ? kEtherIpv4 : kEtherIpv6, content);
  }
  return skip(content, kHeader);
}

Stop skip_geneve(TunnelContent& content) noexcept {
  constexpr std::size_t kHeader = 8;
  constexpr unsigned kControl = 0x80;
  if (const Stop stop = need(content, kHeader)) return stop;
  const unsigned first = byte_at(content.bytes, 0);
  if (first >> 6 != 0 || (byte_at(content.bytes, 1) & kControl) != 0) return Ignored::not_tcp;
  holds_protocol(u16_at(content.bytes, 2), content);
  return skip(content, kHeader + (first & 0x3fU) * std::size_t{4});
}

// Type II: a header of 8 bytes.
Stop skip_erspan(TunnelContent& content) noexcept {
  constexpr std::size_t kHeader = 8;
  if (const Stop stop = need(content, kHeader)) return stop;
  if (byte_at(content.bytes, 0) >> 4 != 1) return Ignored::not_tcp;
  holds_ethernet(content);
  return skip(content, kHeader);
}

// Type III: 12 bytes, and 8 more where the last bit says so. The frame type is 0 for Ethernet, 2 for IP.
Stop skip_erspan_iii(TunnelContent& content) noexcept {
  constexpr std::size_t kHeader = 12;
  constexpr std::size_t kPlatform = 8;
  if (const Stop stop = need(content, kHeader)) return stop;
  const unsigned last = u16_at(content.bytes, 10);
  const unsigned frame_type = last >> 10 & 0x1fU;
  const bool known = frame_type == 0 || frame_type == 2;
  if (byte_at(content.bytes, 0) >> 4 != 2 || !known) return Ignored::not_tcp;
  if (const Stop stop = skip(content, kHeader + ((last & 1U) != 0 ? kPlatform : 0))) return stop;
  if (frame_type == 0) {
    holds_ethernet(content);
    return std::nullopt;
  }
  if (const Stop stop = need(content, 1)) return stop;
  holds(byte_at(content.bytes, 0) >> 4 == 6 ? kEtherIpv6 : kEtherIpv4, content);
  return std::nullopt;
}

// Version 0 without source routes (RFC 1701), which nobody sends. ERSPAN without a sequence number is of
// type I: nothing stands between GRE and the frame.
Stop skip_gre(TunnelContent& content) noexcept {
  constexpr std::size_t kHeader = 4;
  constexpr std::size_t kField = 4;
  constexpr unsigned kChecksum = 0x8000;
  constexpr unsigned kRouting = 0x4000;
  constexpr unsigned kKey = 0x2000;
  constexpr unsigned kSequence = 0x1000;
  constexpr unsigned kVersion = 0x0007;
  constexpr std::uint16_t kErspan = 0x88be;
  constexpr std::uint16_t kErspanIii = 0x22eb;
  if (const Stop stop = need(content, kHeader)) return stop;
  const unsigned flags = u16_at(content.bytes, 0);
  const std::uint16_t protocol = u16_at(content.bytes, 2);
  if ((flags & (kVersion | kRouting)) != 0) return Ignored::not_tcp;
  std::size_t length = kHeader;
  for (const unsigned flag : {kChecksum, kKey, kSequence}) {
    if ((flags & flag) != 0) length += kField;
  }
  if (const Stop stop = skip(content, length)) return stop;
  if (protocol == kErspanIii) return skip_erspan_iii(content);
  if (protocol == kErspan && (flags & kSequence) != 0) return skip_erspan(content);
  holds_protocol(protocol == kErspan ? kBridgedEthernet : protocol, content);
  return std::nullopt;
}

}  // namespace

std::optional<TunnelKind> tunnel_of(const IpPacket& packet, const Tunnels& tunnels) noexcept {
  switch (packet.protocol) {
    case kProtocolIpv4:
    case kProtocolIpv6:
      return TunnelKind::ipip;
    case kProtocolGre:
      return TunnelKind::gre;
    case kProtocolUdp: {
      constexpr std::size_t kPorts = 4;
      if (packet.payload.size() < kPorts) return std::nullopt;
      const std::uint16_t port = u16_at(packet.payload, 2);
      if (tunnels.is_vxlan(port)) return TunnelKind::vxlan;
      if (tunnels.is_geneve(port)) return TunnelKind::geneve;
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<Ignored> parse_tunnel(TunnelKind kind, const IpPacket& packet,
                                    TunnelContent& out) noexcept {
  out.bytes = packet.payload;
  out.length = packet.payload_length;
  switch (kind) {
    case TunnelKind::vxlan:
    case TunnelKind::geneve:
      if (const Stop stop = skip_udp(out)) return stop;
      return kind == TunnelKind::vxlan ? skip_vxlan(out) : skip_geneve(out);
    case TunnelKind::gre:
      return skip_gre(out);
    case TunnelKind::ipip:
      holds(packet.protocol == kProtocolIpv4 ? kEtherIpv4 : kEtherIpv6, out);
      return std::nullopt;
  }
  return Ignored::not_tcp;
}

}  // namespace tcpeek::flowtable
