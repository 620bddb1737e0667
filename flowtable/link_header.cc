#include "flowtable/link_header.h"

#include <algorithm>

namespace tcpeek::flowtable {
namespace {

using Stop = std::optional<Ignored>;

constexpr std::size_t kMaxTags = 8;

// The length of a tag's body, the ethertype behind it included; 0: it is no tag. VLAN, VN-Tag, and
// E-Tag (IEEE 802.1BR).
constexpr std::size_t tag_length(std::uint16_t ethertype) noexcept {
  switch (ethertype) {
    case 0x8100:
    case 0x88a8:
    case 0x9100:
      return 4;
    case 0x8926:
      return 6;
    case 0x893f:
      return 8;
    default:
      return 0;
  }
}

// IEEE 802.3: up to here the field is no type but the length of what follows, and that begins with LLC.
constexpr std::uint16_t kLongestLlc = 1500;

// The ethertype of what begins like an IP packet; anything else is none.
std::uint16_t ethertype_by_version(Bytes bytes) noexcept {
  if (bytes.empty()) return 0;
  const unsigned version = byte_at(bytes, 0) >> 4U;
  return version == 4 ? kEtherIpv4 : version == 6 ? kEtherIpv6 : std::uint16_t{0};
}

// The value of AF_INET is the same everywhere, that of AF_INET6 is not: BSDs, macOS, Linux. Files do
// not record the byte order of the machine that wrote them.
std::uint16_t ethertype_of_family(std::uint32_t family) noexcept {
  if (family > 0xffff) family = __builtin_bswap32(family);
  switch (family) {
    case 2:
      return kEtherIpv4;
    case 10:
    case 24:
    case 28:
    case 30:
      return kEtherIpv6;
    default:
      return 0;
  }
}

// A netfilter family: those of IP, and those of packets of any protocol (bridge, netdev, inet).
Stop take_netfilter_family(Bytes bytes, LinkPayload& out) noexcept {
  if (out.end == out.at) return Ignored::not_ip;  // a rule that logs no bytes of the packet
  if (bytes.size() <= out.at) return Ignored::truncated;
  switch (byte_at(bytes, 0)) {
    case 2:
      out.ethertype = kEtherIpv4;
      return std::nullopt;
    case 10:
      out.ethertype = kEtherIpv6;
      return std::nullopt;
    case 1:
    case 5:
    case 7:
      out.ethertype = ethertype_by_version(bytes.subspan(out.at));
      return std::nullopt;
    default:
      return Ignored::not_ip;
  }
}

// IEEE 802.2, up to `out.end`. SNAP gives an ethertype: plain, or by 802.1H for what would be mistaken
// for a bridged frame.
Stop parse_llc(Bytes bytes, LinkPayload& out) noexcept {
  constexpr std::size_t kLlc = 3;
  constexpr std::size_t kSnap = 8;
  constexpr std::uint32_t kSnapSaps = 0xaaaa03;
  constexpr std::uint32_t kIpSaps = 0x060603;
  constexpr std::uint32_t kBridgeTunnel = 0x0000f8;
  const std::size_t length = out.end - out.at;
  if (length < kLlc) return Ignored::not_ip;
  if (bytes.size() < out.at + kLlc) return Ignored::truncated;
  const std::uint32_t saps = u24_at(bytes, out.at);
  if (saps == kIpSaps) {
    out.ethertype = kEtherIpv4;
    out.at += kLlc;
    return std::nullopt;
  }
  if (saps != kSnapSaps || length < kSnap) return Ignored::not_ip;
  if (bytes.size() < out.at + kSnap) return Ignored::truncated;
  const std::uint32_t organization = u24_at(bytes, out.at + kLlc);
  if (organization != 0 && organization != kBridgeTunnel) return Ignored::not_ip;
  out.ethertype = u16_at(bytes, out.at + kLlc + 3);
  out.at += kSnap;
  // Not once more.
  return out.ethertype <= kLongestLlc ? Stop(Ignored::not_ip) : std::nullopt;
}

// The packet is that of a message's payload attribute. Attributes are as netlink has them, in the byte
// order of the host that captured, which no file tells: their types are small numbers, so the zero byte
// of the first one's does.
Stop parse_nflog(Bytes bytes, LinkPayload& out) noexcept {
  constexpr std::size_t kHeader = 4;
  constexpr std::size_t kAttribute = 4;
  constexpr std::size_t kMaxAttributes = 64;  // each comes once, and there are about twenty
  constexpr std::uint16_t kPayload = 9;
  constexpr std::uint16_t kAlignment = 4;
  if (bytes.size() < kHeader) return Ignored::truncated;
  if (byte_at(bytes, 1) != 0) return Ignored::not_ip;  // another version
  if (bytes.size() < kHeader + kAttribute) return Ignored::truncated;
  const bool swapped = byte_at(bytes, kHeader + 3) == 0;  // little-endian
  const auto number_at = [&](std::size_t at) {
    const std::uint16_t number = u16_at(bytes, at);
    return swapped ? __builtin_bswap16(number) : number;
  };
  std::size_t at = kHeader;
  for (std::size_t seen = 0; seen < kMaxAttributes; ++seen) {
    if (bytes.size() < at + kAttribute) return Ignored::truncated;
    const std::size_t length = number_at(at);
    if (length < kAttribute) return Ignored::not_ip;
    if (number_at(at + 2) == kPayload) {
      out.at = at + kAttribute;
      out.end = at + length;
      return take_netfilter_family(bytes, out);
    }
    at += (length + kAlignment - 1) / kAlignment * kAlignment;
  }
  return Ignored::not_ip;
}

// Reads the link header.
Stop parse_link(LinkFraming link, const Frame& frame, LinkPayload& out) noexcept {
  constexpr std::size_t kCookedHeader = 16;
  constexpr std::size_t kCookedV2Header = 20;
  constexpr std::size_t kFamilyHeader = 4;
  const Bytes bytes = frame.bytes;
  switch (link) {
    case LinkFraming::ethernet:
      if (bytes.size() < kEthernetHeader) return Ignored::truncated;
      out.ethertype = u16_at(bytes, 12);
      out.at = kEthernetHeader;
      return std::nullopt;
    case LinkFraming::network:
      out.ethertype = frame.ethertype;
      out.at = 0;
      return std::nullopt;
    case LinkFraming::raw_ip:
      if (bytes.empty()) return Ignored::truncated;
      out.ethertype = ethertype_by_version(bytes);
      out.at = 0;
      return std::nullopt;
    case LinkFraming::cooked:
      if (bytes.size() < kCookedHeader) return Ignored::truncated;
      out.ethertype = u16_at(bytes, 14);
      out.at = kCookedHeader;
      return std::nullopt;
    case LinkFraming::cooked_v2:
      if (bytes.size() < kCookedV2Header) return Ignored::truncated;
      out.interface = u32_at(bytes, 4);
      out.ethertype = u16_at(bytes, 0);
      out.at = kCookedV2Header;
      return std::nullopt;
    case LinkFraming::family:
      if (bytes.size() < kFamilyHeader) return Ignored::truncated;
      out.ethertype = ethertype_of_family(u32_at(bytes, 0));
      out.at = kFamilyHeader;
      return std::nullopt;
    case LinkFraming::nflog:
      return parse_nflog(bytes, out);
  }
  return Ignored::not_ip;
}

// Steps over labels through the bottom of the stack; the first nibble below says what follows.
Stop skip_labels(Bytes bytes, LinkPayload& out) noexcept {
  constexpr std::size_t kLabel = 4;
  constexpr std::size_t kMaxLabels = 16;
  bool bottom = false;
  for (std::size_t labels = 0; !bottom; ++labels) {
    if (labels == kMaxLabels) return Ignored::not_ip;
    if (bytes.size() < out.at + kLabel) return Ignored::truncated;
    bottom = (byte_at(bytes, out.at + 2) & 1U) != 0;
    out.at += kLabel;
  }
  if (bytes.size() == out.at) return Ignored::truncated;
  out.ethertype = ethertype_by_version(bytes.subspan(out.at));
  return std::nullopt;
}

// Session packets only: PPPoE's header, then PPP's protocol number. A number below 256 may come as one
// byte (RFC 1661 6.5); the last byte of a number is odd, and no other is.
Stop skip_pppoe(Bytes bytes, LinkPayload& out) noexcept {
  constexpr std::size_t kHeader = 6;
  constexpr std::uint16_t kPppIpv4 = 0x0021;
  constexpr std::uint16_t kPppIpv6 = 0x0057;
  if (bytes.size() < out.at + kHeader + 1) return Ignored::truncated;
  if (byte_at(bytes, out.at) != 0x11 || byte_at(bytes, out.at + 1) != 0) return Ignored::not_ip;
  const std::uint8_t first = byte_at(bytes, out.at + kHeader);
  const std::size_t size = (first & 1U) != 0 ? 1 : 2;
  if (bytes.size() < out.at + kHeader + size) return Ignored::truncated;
  const std::uint16_t protocol = size == 1 ? first : u16_at(bytes, out.at + kHeader);
  if (protocol != kPppIpv4 && protocol != kPppIpv6) return Ignored::not_ip;
  out.ethertype = protocol == kPppIpv4 ? kEtherIpv4 : kEtherIpv6;
  out.at += kHeader + size;
  return std::nullopt;
}

Stop skip_tags(Bytes bytes, LinkPayload& out) noexcept {
  for (std::size_t tags = 0; const std::size_t length = tag_length(out.ethertype); ++tags) {
    if (tags == kMaxTags) return Ignored::not_ip;
    if (bytes.size() < out.at + length) return Ignored::truncated;
    out.ethertype = u16_at(bytes, out.at + length - 2);
    out.at += length;
  }
  return std::nullopt;
}

// Tags, LLC, then a PPPoE session or labels. `length_at_start`: the link header holds a type or a length,
// as any tag does; elsewhere Linux marks LLC by a type of its own.
Stop skip_shims(Bytes bytes, bool length_at_start, LinkPayload& out) noexcept {
  constexpr std::uint16_t kPppoeSession = 0x8864;
  constexpr std::uint16_t kMpls = 0x8847;
  constexpr std::uint16_t kMplsUpstream = 0x8848;
  constexpr std::uint16_t kLinuxLlc = 4;
  const bool tagged = tag_length(out.ethertype) != 0;
  if (const Stop stop = skip_tags(bytes, out)) return stop;
  const bool may_be_length = length_at_start || tagged;
  if (out.ethertype <= kLongestLlc && (may_be_length || out.ethertype == kLinuxLlc)) {
    if (may_be_length) out.end = out.at + out.ethertype;
    if (const Stop stop = parse_llc(bytes, out)) return stop;
    bytes = bytes.first(std::min(bytes.size(), out.end));
  }
  if (out.ethertype == kPppoeSession) return skip_pppoe(bytes, out);
  if (out.ethertype == kMpls || out.ethertype == kMplsUpstream) return skip_labels(bytes, out);
  return std::nullopt;
}

}  // namespace

std::optional<Ignored> parse_link_headers(LinkFraming link, const Frame& frame,
                                          LinkPayload& out) noexcept {
  if (const Stop stop = parse_link(link, frame, out)) return stop;
  return skip_shims(frame.bytes, link == LinkFraming::ethernet, out);
}

}  // namespace tcpeek::flowtable
