// How it reads: link header, then IP header, then TCP or ICMP, each a function that takes the bytes
// left and returns a reason to stop or goes on. `Packet` carries what the IP headers said.
//
// Nearly all packets of a handshake are as plain as can be; plain_ipv4() and plain_ipv6() take those
// at once, a quarter of the instructions of the long way, and leave every other to it.

#include "flowtable/decode.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>

#include "flowtable/checksum.h"
#include "flowtable/link_header.h"

namespace tcpeek::flowtable {
namespace {

using Stop = std::optional<Ignored>;

constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolIcmpv6 = 58;
constexpr std::size_t kMaxExtensionHeaders = 8;

// What the IP headers said of their payload.
struct Packet {
  AddressWords source;
  AddressWords destination;
  Bytes payload;                   // captured part
  std::size_t payload_length = 0;  // by the headers' word
  std::uint8_t protocol = 0;
  bool first_fragment = false;  // more follow
  bool rerouted = false;  // a routing header is under way: the addresses are not the final ones
};

AddressWords ipv4_at(Bytes bytes, std::size_t offset) noexcept {
  assert(offset + 4 <= bytes.size());
  std::uint32_t four = 0;
  std::memcpy(&four, bytes.data() + offset, sizeof four);
  return AddressWords::mapped(four);
}

AddressWords ipv6_at(Bytes bytes, std::size_t offset) noexcept {
  AddressWords address;
  assert(offset + sizeof address <= bytes.size());
  std::memcpy(&address, bytes.data() + offset, sizeof address);
  return address;
}

bool is_mapped(const AddressWords& address) noexcept {
  return is_v4(std::bit_cast<IpAddress>(address));
}

// The part of `bytes` after `offset` that lies within `length` bytes of the whole.
Bytes rest_of(Bytes bytes, std::size_t offset, std::size_t length) noexcept {
  const std::size_t end = std::min(bytes.size(), length);
  return offset < end ? bytes.subspan(offset, end - offset) : Bytes{};
}

Stop parse_ipv4(Bytes bytes, std::size_t wire_length, Packet& out) noexcept {
  constexpr std::size_t kHeader = 20;
  if (bytes.size() < kHeader) return Ignored::truncated;
  if (byte_at(bytes, 0) >> 4 != 4) return Ignored::bad_ip_header;
  const std::size_t header = (byte_at(bytes, 0) & 0x0fU) * std::size_t{4};
  if (header < kHeader) return Ignored::bad_ip_header;
  if (bytes.size() < header) return Ignored::truncated;

  // Zero: a segmentation offload's packet, too long for the field.
  std::size_t total = u16_at(bytes, 2);
  if (total == 0) total = wire_length;
  if (total < header) return Ignored::bad_ip_header;

  const std::uint16_t fragment = u16_at(bytes, 6);
  if ((fragment & 0x1fffU) != 0) return Ignored::later_fragment;

  out.first_fragment = (fragment & 0x2000U) != 0;
  out.protocol = byte_at(bytes, 9);
  out.source = ipv4_at(bytes, 12);
  out.destination = ipv4_at(bytes, 16);
  out.payload = rest_of(bytes, header, total);
  out.payload_length = total - header;
  return std::nullopt;
}

// The length of the extension header that begins `bytes`, which holds at least 8 bytes of it.
std::size_t extension_length(std::uint8_t type, Bytes bytes) noexcept {
  constexpr std::uint8_t kFragment = 44;
  constexpr std::uint8_t kAuthentication = 51;
  if (type == kFragment) return 8;
  const std::size_t units = byte_at(bytes, 1);
  return type == kAuthentication ? (units + 2) * 4 : (units + 1) * 8;
}

constexpr bool is_extension(std::uint8_t type) noexcept {
  return type == 0 || type == 43 || type == 44 || type == 51 || type == 60;
}

// Steps over the extension headers at the start of out.payload.
Stop skip_extensions(std::uint8_t next, Packet& out) noexcept {
  for (std::size_t seen = 0; is_extension(next); ++seen) {
    if (seen == kMaxExtensionHeaders || out.payload_length < 8) return Ignored::extension_headers;
    if (out.payload.size() < 8) return Ignored::truncated;
    const std::size_t length = extension_length(next, out.payload);
    if (length > out.payload_length) return Ignored::extension_headers;
    if (length > out.payload.size()) return Ignored::truncated;
    if (next == 44) {
      const std::uint16_t fragment = u16_at(out.payload, 2);
      if ((fragment & 0xfff8U) != 0) return Ignored::later_fragment;
      out.first_fragment = out.first_fragment || (fragment & 1U) != 0;
    }
    if (next == 43 && byte_at(out.payload, 3) != 0) out.rerouted = true;
    next = byte_at(out.payload, 0);
    out.payload = out.payload.subspan(length);
    out.payload_length -= length;
  }
  out.protocol = next;
  return std::nullopt;
}

Stop parse_ipv6(Bytes bytes, Packet& out) noexcept {
  constexpr std::size_t kHeader = 40;
  if (bytes.size() < kHeader) return Ignored::truncated;
  if (byte_at(bytes, 0) >> 4 != 6) return Ignored::bad_ip_header;
  const std::size_t length = u16_at(bytes, 4);
  if (length == 0) return Ignored::jumbogram;
  out.source = ipv6_at(bytes, 8);
  out.destination = ipv6_at(bytes, 24);
  if (is_mapped(out.source) || is_mapped(out.destination)) return Ignored::mapped_address;
  out.payload = rest_of(bytes, kHeader, kHeader + length);
  out.payload_length = length;
  return skip_extensions(byte_at(bytes, 6), out);
}

// RFC 9293 section 3.1, RFC 8200 section 8.1. What was not captured whole cannot be verified. Where the
// network card was to compute the checksum, the capture was made before it did: the field holds the
// pseudo-header's sum alone, as Linux leaves it (__tcp_v4_send_check), and that is no error.
bool transport_checksum_valid(const Packet& packet) noexcept {
  if (packet.first_fragment || packet.rerouted || packet.payload.size() < packet.payload_length) {
    return true;
  }
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
// Of them; a capture cut right after the flags still tells all we need.
constexpr std::size_t kThroughFlags = 14;

std::size_t tcp_header_length(Bytes tcp) noexcept {
  return (byte_at(tcp, 12) >> 4) * std::size_t{4};
}

void take_tcp(Bytes tcp, std::size_t data, Segment& segment) noexcept {
  segment.kind = SegmentKind::tcp;
  segment.sequence = u32_at(tcp, 4);
  segment.acknowledgment = u32_at(tcp, 8);
  segment.flags = byte_at(tcp, 13);
  segment.payload = static_cast<std::uint16_t>(
      std::min<std::size_t>(data, std::numeric_limits<std::uint16_t>::max()));
}

Stop parse_tcp(const Packet& packet, Segment& segment) noexcept {
  const Ignored short_header =
      packet.first_fragment ? Ignored::cut_first_fragment : Ignored::bad_tcp_header;
  if (packet.payload_length < kTcpHeader) return short_header;
  if (packet.payload.size() < kThroughFlags) return Ignored::truncated;
  const std::size_t header = tcp_header_length(packet.payload);
  if (header < kTcpHeader) return Ignored::bad_tcp_header;
  if (header > packet.payload_length) return short_header;
  take_ends(packet.source, packet.destination, packet.payload, segment);
  take_tcp(packet.payload, packet.payload_length - header, segment);
  return std::nullopt;
}

// The start of the packet that an ICMP error quotes: RFC 792 promises 8 bytes beyond its IP header.
// `cut`: the capture ends before the error does.
Stop parse_quote(Bytes quote, bool v6, bool cut, Segment& segment) noexcept {
  constexpr std::size_t kPromised = 8;
  const Ignored too_short = cut ? Ignored::truncated : Ignored::other_icmp;
  Packet packet;
  if (const Stop stop = v6 ? parse_ipv6(quote, packet) : parse_ipv4(quote, quote.size(), packet)) {
    return stop == Ignored::truncated ? too_short : Ignored::other_icmp;
  }
  if (packet.protocol != kProtocolTcp) return Ignored::other_icmp;
  if (packet.payload.size() < kPromised) return too_short;
  take_ends(packet.source, packet.destination, packet.payload, segment);
  segment.kind = SegmentKind::unreachable;
  segment.sequence = u32_at(packet.payload, 4);
  segment.acknowledgment = 0;
  segment.flags = 0;
  segment.payload = 0;
  return std::nullopt;
}

bool tells_unreachable(std::uint8_t protocol, std::uint8_t type, std::uint8_t code) noexcept {
  constexpr std::uint8_t kFragmentationNeeded = 4;
  if (protocol == kProtocolIcmpv6) return type == 1;
  return type == 3 && code != kFragmentationNeeded;
}

Stop parse_icmp(const Packet& packet, Segment& segment) noexcept {
  constexpr std::size_t kHeader = 8;
  if (packet.payload_length < kHeader) return Ignored::other_icmp;
  if (packet.payload.size() < kHeader) return Ignored::truncated;
  if (!tells_unreachable(packet.protocol, byte_at(packet.payload, 0), byte_at(packet.payload, 1))) {
    return Ignored::other_icmp;
  }
  const bool cut = packet.payload.size() < packet.payload_length;
  return parse_quote(packet.payload.subspan(kHeader), packet.protocol == kProtocolIcmpv6, cut,
                     segment);
}

bool ip_header_checksum_valid(Bytes bytes) noexcept {
  ChecksumSum sum;
  sum.add(bytes.first((byte_at(bytes, 0) & 0x0fU) * std::size_t{4}));
  return sum.valid();
}

Stop parse_network(std::uint16_t ethertype, Bytes bytes, std::size_t wire_length, Verify verify,
                   const Frame& frame, Segment& segment) noexcept {
  const bool v6 = ethertype == kEtherIpv6;
  if (!v6 && ethertype != kEtherIpv4) return Ignored::not_ip;
  Packet packet;
  if (const Stop stop = v6 ? parse_ipv6(bytes, packet) : parse_ipv4(bytes, wire_length, packet)) {
    return stop;
  }
  if (verify != Verify::none && !v6 && !ip_header_checksum_valid(bytes)) {
    return Ignored::ip_checksum;
  }
  const bool tcp = packet.protocol == kProtocolTcp;
  const bool icmp = packet.protocol == (v6 ? kProtocolIcmpv6 : kProtocolIcmp);
  if (!tcp && !icmp) return Ignored::not_tcp;
  if (const Stop stop = tcp ? parse_tcp(packet, segment) : parse_icmp(packet, segment)) return stop;
  if (verify == Verify::ip_and_transport && !frame.checksum_waived &&
      !transport_checksum_valid(packet)) {
    return Ignored::transport_checksum;
  }
  return std::nullopt;
}

// IPv4 without options, no fragment, TCP, captured through the flags: true if it was one, and the
// segment is filled.
bool plain_ipv4(Bytes bytes, Segment& segment) noexcept {
  constexpr std::size_t kHeader = 20;
  if (bytes.size() < kHeader + kThroughFlags) return false;
  const bool plain = byte_at(bytes, 0) == 0x45 && (u16_at(bytes, 6) & 0x3fffU) == 0 &&
                     byte_at(bytes, 9) == kProtocolTcp;
  const std::size_t total = u16_at(bytes, 2);
  const Bytes tcp = bytes.subspan(kHeader);
  const std::size_t header = tcp_header_length(tcp);
  if (!plain || header < kTcpHeader || kHeader + header > total) return false;
  take_ends(ipv4_at(bytes, 12), ipv4_at(bytes, 16), tcp, segment);
  take_tcp(tcp, total - kHeader - header, segment);
  return true;
}

// The same for IPv6 without extension headers.
bool plain_ipv6(Bytes bytes, Segment& segment) noexcept {
  constexpr std::size_t kHeader = 40;
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
  take_tcp(tcp, length - header, segment);
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

// Not inlined: what it needs of registers would have to be saved for plain packets, too.
[[gnu::noinline]] Stop decode_any(LinkFraming link, Verify verify, const Frame& frame,
                                  Segment& segment) noexcept {
  LinkPayload payload{.interface = frame.interface};
  if (const Stop stop = parse_link_headers(link, frame, payload)) return stop;
  segment.interface = payload.interface;
  const std::size_t wire_end = std::min<std::size_t>(frame.wire_length, payload.end);
  const std::size_t wire_length = wire_end > payload.at ? wire_end - payload.at : 0;
  const std::size_t end = std::min(frame.bytes.size(), payload.end);
  const Bytes network = frame.bytes.first(end).subspan(payload.at);
  return parse_network(payload.ethertype, network, wire_length, verify, frame, segment);
}

}  // namespace

std::optional<Ignored> decode(LinkFraming link, Verify verify, const Frame& frame,
                              Segment& segment) noexcept {
  segment.interface = frame.interface;
  segment.time = frame.time;
  if (verify == Verify::none && decode_plain(link, frame, segment)) return std::nullopt;
  return decode_any(link, verify, frame, segment);
}

}  // namespace tcpeek::flowtable
