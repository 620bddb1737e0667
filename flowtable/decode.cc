// How it reads: link header, then IP header, then TCP or ICMP, each a function that takes the bytes
// left and returns a reason to stop or goes on. `IpPacket` carries what the IP headers said. In a
// tunnel it begins anew with what is inside.
//
// Nearly all packets of a handshake are plain; plain_ipv4() and plain_ipv6() decode those at once, with
// a quarter of the instructions of the general way, and leave all others to it.

#include "flowtable/decode.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "flowtable/checksum.h"
#include "flowtable/fast_open.h"
#include "flowtable/ip_header.h"
#include "flowtable/link_header.h"
#include "flowtable/sending_print.h"
#include "flowtable/tunnel_header.h"

namespace tcpeek::flowtable {
namespace {

using Stop = std::optional<Ignored>;

constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolIcmpv6 = 58;

// RFC 9293 section 3.1, RFC 8200 section 8.1. What was not captured whole cannot be verified. Where the
// network card was to compute the checksum, the capture was made before it did: the field holds the
// pseudo-header's sum alone, as Linux leaves it (__tcp_v4_send_check), and that is not an error.
bool transport_checksum_valid(const IpPacket& packet) noexcept {
  const bool whole = !packet.first_fragment && packet.payload.size() >= packet.payload_length;
  if (!whole || packet.addresses_hidden) return true;
  ChecksumSum sum;
  const bool tcp = packet.protocol == kProtocolTcp;
  if (packet.protocol != kProtocolIcmp) {
    sum.add(std::as_bytes(std::span(&packet.source, 1)));
    sum.add(std::as_bytes(std::span(&packet.destination, 1)));
    // The mapped prefix of IPv4 addresses adds 0xffff twice, which is zero in one's complement.
    sum.add(static_cast<std::uint32_t>(packet.payload_length));
    sum.add(packet.protocol);
  }
  constexpr std::size_t kChecksumAt = 16;
  const bool unfinished = tcp && sum.folded() == u16_at(packet.payload, kChecksumAt);
  sum.add(packet.payload);
  return unfinished || sum.valid();
}

// `ports` begins with the TCP header.
void take_ends(const AddressWords& source, const AddressWords& destination, Bytes ports,
               Segment& segment) noexcept {
  segment.sender = set_key(segment.key, source, u16_at(ports, 0), destination, u16_at(ports, 2));
}

constexpr std::size_t kTcpHeader = 20;
// Bytes of it; a capture cut right after the flags still has all we need.
constexpr std::size_t kThroughFlags = 14;

std::size_t tcp_header_length(Bytes tcp) noexcept {
  return (byte_at(tcp, 12) >> 4) * std::size_t{4};
}

[[gnu::always_inline]] inline void take_tcp(Bytes tcp, std::size_t header, std::size_t data,
                                            std::uint16_t identification, std::uint8_t hop_limit,
                                            Segment& segment) noexcept {
  segment.kind = SegmentKind::tcp;
  segment.hop_limit = hop_limit;
  segment.sequence = u32_at(tcp, 4);
  segment.acknowledgment = u32_at(tcp, 8);
  segment.flags = byte_at(tcp, 13);
  const bool syn = (segment.flags & tcp_flag::syn) != 0;
  segment.print = syn ? sending_print(identification, tcp, header) : std::uint8_t{0};
  if (syn && has_unusual_options(header)) [[unlikely]]
    segment.flags = with_fast_open(segment.flags, tcp, header);
  segment.payload = static_cast<std::uint16_t>(
      std::min<std::size_t>(data, std::numeric_limits<std::uint16_t>::max()));
}

Stop parse_tcp(const IpPacket& packet, Segment& segment) noexcept {
  const Ignored short_header =
      packet.first_fragment ? Ignored::cut_first_fragment : Ignored::bad_tcp_header;
  if (packet.payload_length < kTcpHeader) return short_header;
  if (packet.payload.size() < kThroughFlags) return Ignored::truncated;
  const std::size_t header = tcp_header_length(packet.payload);
  if (header < kTcpHeader) return Ignored::bad_tcp_header;
  if (header > packet.payload_length) return short_header;
  take_ends(packet.source, packet.destination, packet.payload, segment);
  take_tcp(packet.payload, header, packet.payload_length - header, packet.identification,
           packet.hop_limit, segment);
  return std::nullopt;
}

// The start of the packet that an ICMP error quotes: RFC 792 promises 8 bytes beyond its IP header.
// `cut`: the capture ends before the error does.
Stop parse_quote(Bytes quote, bool v6, bool cut, Segment& segment) noexcept {
  constexpr std::size_t kPromised = 8;
  const Ignored too_short = cut ? Ignored::truncated : Ignored::other_icmp;
  IpPacket packet;
  if (const Stop stop = v6 ? parse_quoted_ipv6(quote, packet) : parse_quoted_ipv4(quote, packet)) {
    return stop == Ignored::truncated ? too_short : Ignored::other_icmp;
  }
  if (packet.protocol != kProtocolTcp) return Ignored::other_icmp;
  if (packet.payload.size() < kPromised) return too_short;
  take_ends(packet.source, packet.destination, packet.payload, segment);
  segment.kind = SegmentKind::unreachable;
  segment.sequence = u32_at(packet.payload, 4);
  segment.acknowledgment = 0;
  segment.payload = 0;
  return std::nullopt;
}

// The errors on which Linux gives up a connection that is being made (tcp_v4_err, tcp_v6_err):
// destination unreachable, time exceeded, parameter problem.
bool is_unreachable(std::uint8_t protocol, std::uint8_t type, std::uint8_t code) noexcept {
  constexpr std::uint8_t kFragmentationNeeded = 4;
  if (protocol == kProtocolIcmpv6) return type == 1 || type == 3 || type == 4;
  if (type == 3) return code != kFragmentationNeeded;
  return type == 11 || type == 12;
}

Stop parse_icmp(const IpPacket& packet, Segment& segment) noexcept {
  constexpr std::size_t kHeader = 8;
  if (packet.payload_length < kHeader) return Ignored::other_icmp;
  if (packet.payload.size() < kHeader) return Ignored::truncated;
  const std::uint8_t type = byte_at(packet.payload, 0);
  const std::uint8_t code = byte_at(packet.payload, 1);
  if (!is_unreachable(packet.protocol, type, code)) return Ignored::other_icmp;
  segment.router = std::bit_cast<IpAddress>(packet.source);
  segment.flags = type;
  segment.print = code;
  const bool cut = packet.payload.size() < packet.payload_length;
  return parse_quote(packet.payload.subspan(kHeader), packet.protocol == kProtocolIcmpv6, cut,
                     segment);
}

bool ip_header_checksum_valid(Bytes bytes) noexcept {
  ChecksumSum sum;
  sum.add(bytes.first((byte_at(bytes, 0) & 0x0fU) * std::size_t{4}));
  return sum.valid();
}

// An IP packet and which version it is; `interface` is that of the link header, if it has one.
struct Network {
  IpPacket packet;
  bool v6 = false;
  std::uint32_t interface = 0;

  [[nodiscard]] bool holds_tcp() const noexcept { return packet.protocol == kProtocolTcp; }
  [[nodiscard]] bool holds_icmp() const noexcept {
    return packet.protocol == (v6 ? kProtocolIcmpv6 : kProtocolIcmp);
  }
};

Stop parse_network(LinkFraming link, Verify verify, const Frame& frame, Network& out) noexcept {
  LinkPayload payload{.interface = frame.interface};
  if (const Stop stop = parse_link_headers(link, frame, payload)) return stop;
  out.interface = payload.interface;
  const std::size_t wire_end = std::min<std::size_t>(frame.wire_length, payload.end);
  const std::size_t wire_length = wire_end > payload.at ? wire_end - payload.at : 0;
  const std::size_t end = std::min(frame.bytes.size(), payload.end);
  const Bytes bytes = frame.bytes.first(end).subspan(payload.at);
  out.v6 = payload.ethertype == kEtherIpv6;
  if (!out.v6 && payload.ethertype != kEtherIpv4) return Ignored::not_ip;
  if (const Stop stop = out.v6 ? parse_ipv6(bytes, wire_length, out.packet)
                               : parse_ipv4(bytes, wire_length, out.packet)) {
    return stop;
  }
  const bool wrong = verify != Verify::none && !out.v6 && !ip_header_checksum_valid(bytes);
  return wrong ? Stop(Ignored::ip_checksum) : std::nullopt;
}

Stop parse_transport(const Network& network, Verify verify, bool checksum_waived,
                     Segment& segment) noexcept {
  const IpPacket& packet = network.packet;
  const bool tcp = network.holds_tcp();
  if (const Stop stop = tcp ? parse_tcp(packet, segment) : parse_icmp(packet, segment)) return stop;
  if (verify == Verify::ip_and_transport && !checksum_waived && !transport_checksum_valid(packet)) {
    return Ignored::transport_checksum;
  }
  return std::nullopt;
}

// The frame in a tunnel, as a frame of its own. The mark that waives checksums speaks of the outermost.
Frame inner_frame(const Frame& outer, const TunnelContent& content) noexcept {
  return {
      .bytes = content.bytes,
      .wire_length = static_cast<std::uint32_t>(content.length),
      .ethertype = content.ethertype,
      .interface = outer.interface,
      .time = outer.time,
  };
}

// `network` is what the tunnel goes through; replaced by what is inside.
Stop enter_tunnel(TunnelKind kind, Verify verify, const Frame& frame, Network& network) noexcept {
  TunnelContent content;
  if (const Stop stop = parse_tunnel(kind, network.packet, content)) return stop;
  network.packet = {};
  return parse_network(content.link, verify, inner_frame(frame, content), network);
}

// Looks one tunnel deep only, as this is a mere count.
Ignored passed_over(TunnelKind kind, const Frame& frame, Network network) noexcept {
  const Stop stop = enter_tunnel(kind, Verify::none, frame, network);
  return !stop && network.holds_tcp() ? Ignored::tunnel : Ignored::not_tcp;
}

// Of a packet that is neither TCP nor ICMP.
Stop decode_tunnel(const DecodeRules& rules, const Frame& frame, Network network,
                   Segment& segment) noexcept {
  // Inside a first fragment that was captured whole, a cut is the fragment's end.
  bool cut_by_fragment = false;
  const auto explained = [&](Stop stop) {
    return stop == Ignored::truncated && cut_by_fragment ? Ignored::cut_first_fragment : stop;
  };
  for (std::size_t depth = 0;; ++depth) {
    const std::optional<TunnelKind> kind = tunnel_of(network.packet, rules.tunnels);
    if (!kind) return Ignored::not_tcp;
    if (depth == kMaxTunnels || !rules.tunnels.has(*kind)) {
      return passed_over(*kind, frame, network);
    }
    const IpPacket& packet = network.packet;
    const bool whole = packet.payload.size() >= packet.payload_length;
    cut_by_fragment = cut_by_fragment || (packet.first_fragment && whole);
    if (const Stop stop = enter_tunnel(*kind, rules.verify, frame, network)) return explained(stop);
    if (network.holds_tcp() || network.holds_icmp()) {
      return explained(parse_transport(network, rules.verify, false, segment));
    }
  }
}

// IPv4 without options, not a fragment, TCP, captured through the flags: if it is one, fills the segment
// and returns true.
bool plain_ipv4(Bytes bytes, Segment& segment) noexcept {
  constexpr std::size_t kHeader = kIpv4Header;
  if (bytes.size() < kHeader + kThroughFlags) return false;
  const bool plain = byte_at(bytes, 0) == 0x45 && (u16_at(bytes, 6) & 0x3fffU) == 0 &&
                     byte_at(bytes, 9) == kProtocolTcp;
  const std::size_t total = u16_at(bytes, 2);
  const Bytes tcp = bytes.subspan(kHeader);
  const std::size_t header = tcp_header_length(tcp);
  if (!plain || header < kTcpHeader || kHeader + header > total) return false;
  take_ends(ipv4_at(bytes, 12), ipv4_at(bytes, 16), tcp, segment);
  take_tcp(tcp, header, total - kHeader - header, u16_at(bytes, 4), byte_at(bytes, 8), segment);
  return true;
}

// The same for IPv6 without extension headers.
bool plain_ipv6(Bytes bytes, Segment& segment) noexcept {
  constexpr std::size_t kHeader = kIpv6Header;
  if (bytes.size() < kHeader + kThroughFlags) return false;
  const bool plain = byte_at(bytes, 0) >> 4 == 6 && byte_at(bytes, 6) == kProtocolTcp;
  const AddressWords source = ipv6_at(bytes, 8);
  const AddressWords destination = ipv6_at(bytes, 24);
  const std::size_t length = u16_at(bytes, 4);
  const Bytes tcp = bytes.subspan(kHeader);
  const std::size_t header = tcp_header_length(tcp);
  if (!plain || header < kTcpHeader || header > length) return false;
  if (is_mapped(source) || is_mapped(destination)) return false;
  take_ends(source, destination, tcp, segment);
  take_tcp(tcp, header, length - header, 0, byte_at(bytes, 7), segment);
  return true;
}

bool decode_plain(LinkFraming link, const Frame& frame, Segment& segment) noexcept {
  std::uint16_t ethertype = frame.ethertype;
  Bytes network = frame.bytes;
  if (link == LinkFraming::ethernet) {
    if (network.size() < kEthernetHeader) return false;
    ethertype = u16_at(network, 12);
    network = network.subspan(kEthernetHeader);
  } else if (link != LinkFraming::network) {
    return false;
  }
  if (ethertype == kEtherIpv4) return plain_ipv4(network, segment);
  return ethertype == kEtherIpv6 && plain_ipv6(network, segment);
}

// Not inlined: the registers it needs would have to be saved for plain packets, too.
[[gnu::noinline]] Stop decode_any(LinkFraming link, const DecodeRules& rules, const Frame& frame,
                                  Segment& segment) noexcept {
  Network network;
  if (const Stop stop = parse_network(link, rules.verify, frame, network)) return stop;
  segment.interface = network.interface;
  if (network.holds_tcp() || network.holds_icmp()) {
    return parse_transport(network, rules.verify, frame.checksum_waived, segment);
  }
  return decode_tunnel(rules, frame, network, segment);
}

}  // namespace

std::optional<Ignored> decode(LinkFraming link, const DecodeRules& rules, const Frame& frame,
                              Segment& segment) noexcept {
  segment.interface = frame.interface;
  segment.time = frame.time;
  if (rules.verify == Verify::none && decode_plain(link, frame, segment)) return std::nullopt;
  return decode_any(link, rules, frame, segment);
}

}  // namespace tcpeek::flowtable
