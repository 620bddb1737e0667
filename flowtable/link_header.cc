#include "flowtable/link_header.h"

namespace tcpeek::flowtable {
namespace {

using Stop = std::optional<Ignored>;

constexpr std::size_t kMaxTags = 8;

constexpr bool is_vlan(std::uint16_t ethertype) noexcept {
  return ethertype == 0x8100 || ethertype == 0x88a8 || ethertype == 0x9100;
}

// The ethertype of what begins like an IP packet; nullopt for anything else.
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

// Session packets only: PPPoE's header, then PPP's protocol number.
Stop skip_pppoe(Bytes bytes, LinkPayload& out) noexcept {
  constexpr std::size_t kHeader = 8;
  constexpr std::uint16_t kPppIpv4 = 0x0021;
  constexpr std::uint16_t kPppIpv6 = 0x0057;
  if (bytes.size() < out.at + kHeader) return Ignored::truncated;
  const bool session = byte_at(bytes, out.at) == 0x11 && byte_at(bytes, out.at + 1) == 0;
  const std::uint16_t protocol = u16_at(bytes, out.at + 6);
  if (!session || (protocol != kPppIpv4 && protocol != kPppIpv6)) return Ignored::not_ip;
  out.ethertype = protocol == kPppIpv4 ? kEtherIpv4 : kEtherIpv6;
  out.at += kHeader;
  return std::nullopt;
}

// Tags, then a PPPoE session or labels.
Stop skip_shims(Bytes bytes, LinkPayload& out) noexcept {
  constexpr std::size_t kTag = 4;
  constexpr std::uint16_t kPppoeSession = 0x8864;
  constexpr std::uint16_t kMpls = 0x8847;
  constexpr std::uint16_t kMplsUpstream = 0x8848;
  for (std::size_t tags = 0; is_vlan(out.ethertype); ++tags) {
    if (tags == kMaxTags) return Ignored::not_ip;
    if (bytes.size() < out.at + kTag) return Ignored::truncated;
    out.ethertype = u16_at(bytes, out.at + 2);
    out.at += kTag;
  }
  if (out.ethertype == kPppoeSession) return skip_pppoe(bytes, out);
  if (out.ethertype == kMpls || out.ethertype == kMplsUpstream) return skip_labels(bytes, out);
  return std::nullopt;
}

}  // namespace

std::optional<Ignored> parse_link_headers(LinkFraming link, const Frame& frame,
                                          LinkPayload& out) noexcept {
  if (const Stop stop = parse_link(link, frame, out)) return stop;
  return skip_shims(frame.bytes, out);
}

}  // namespace tcpeek::flowtable
