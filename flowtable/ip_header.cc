#include "flowtable/ip_header.h"

#include <algorithm>
#include <limits>

namespace tcpeek::flowtable {
namespace {

using Stop = std::optional<Ignored>;

constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kDestinationOptions = 60;
constexpr std::uint8_t kMobility = 135;
constexpr std::uint8_t kHostIdentity = 139;
constexpr std::uint8_t kShim6 = 140;

constexpr std::uint8_t kEndOfOptions = 0;
constexpr std::uint8_t kNoOperation = 1;
constexpr std::uint8_t kLooseSourceRoute = 131;
constexpr std::uint8_t kStrictSourceRoute = 137;

constexpr std::size_t kMaxExtensionHeaders = 8;
constexpr std::size_t kShortestExtension = 8;
constexpr std::size_t kAddress = 16;  // bytes of an IPv6 address

// Of a packet whose headers are not believed: what was captured ends it, nothing else.
constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max() / 2;

enum class Family : std::uint8_t { ipv4, ipv6 };

// IPv4 has AH alone.
constexpr bool is_extension(Family family, std::uint8_t type) noexcept {
  if (type == kAuthentication) return true;
  if (family == Family::ipv4) return false;
  return type == kHopByHop || type == kRouting || type == kFragment ||
         type == kDestinationOptions || type == kMobility || type == kHostIdentity ||
         type == kShim6;
}

// The part of `bytes` after `offset` that lies within `length` bytes of the whole.
Bytes rest_of(Bytes bytes, std::size_t offset, std::size_t length) noexcept {
  const std::size_t end = std::min(bytes.size(), length);
  return offset < end ? bytes.subspan(offset, end - offset) : Bytes{};
}

// The length of the extension header that begins `bytes`, which holds at least 8 bytes of it.
std::size_t extension_length(std::uint8_t type, Bytes bytes) noexcept {
  if (type == kFragment) return 8;
  const std::size_t units = byte_at(bytes, 1);
  return type == kAuthentication ? (units + 2) * 4 : (units + 1) * 8;
}

// The last address of a list that fills the header (types 0 and 2).
Stop follow_list(Bytes header, IpPacket& out) noexcept {
  constexpr std::size_t kList = 8;
  const std::size_t addresses = (header.size() - kList) / kAddress;
  const bool whole = kList + addresses * kAddress == header.size();
  if (!whole || byte_at(header, 3) > addresses) return Ignored::extension_headers;
  out.destination = ipv6_at(header, header.size() - kAddress);
  return std::nullopt;
}

// RFC 6554: addresses without the first bytes that they share with the destination.
Stop follow_rpl(Bytes header, IpPacket& out) noexcept {
  constexpr std::size_t kList = 8;
  const std::size_t each = kAddress - (byte_at(header, 4) >> 4);
  const std::size_t last = kAddress - (byte_at(header, 4) & 0x0fU);
  const std::size_t padding = byte_at(header, 5) >> 4;
  const std::size_t list = header.size() - kList;
  if (list < padding + last) return Ignored::extension_headers;
  const std::size_t others = list - padding - last;
  if (others % each != 0 || byte_at(header, 3) > others / each + 1) {
    return Ignored::extension_headers;
  }
  auto* address = reinterpret_cast<std::byte*>(&out.destination);
  std::memcpy(address + kAddress - last, header.data() + kList + others, last);
  return std::nullopt;
}

// RFC 8754: the last segment is the first of the list. A reduced header leaves out the one that was
// visited first, so one more segment may be left than there are entries.
Stop follow_segments(Bytes header, IpPacket& out) noexcept {
  constexpr std::size_t kList = 8;
  const std::size_t entries = byte_at(header, 4) + std::size_t{1};
  if (kList + entries * kAddress > header.size() || byte_at(header, 3) > entries) {
    return Ignored::extension_headers;
  }
  out.destination = ipv6_at(header, kList);
  return std::nullopt;
}

// Where segments are left, the packet is under way and its destination is not that of the connection.
Stop follow_route(Bytes header, IpPacket& out) noexcept {
  const std::uint8_t segments_left = byte_at(header, 3);
  if (segments_left == 0) return std::nullopt;
  switch (byte_at(header, 2)) {
    case 2:  // of a mobile node: its home address alone
      if (header.size() != 8 + kAddress) return Ignored::extension_headers;
      [[fallthrough]];
    case 0:
      return follow_list(header, out);
    case 3:
      return follow_rpl(header, out);
    case 4:
      return follow_segments(header, out);
    default:  // a type not known here
      out.addresses_hidden = true;
      return std::nullopt;
  }
}

// RFC 6275 6.3: a mobile node tells its home address, which is the connection's, in an option.
void take_home_address(Bytes header, IpPacket& out) noexcept {
  constexpr std::uint8_t kPad1 = 0;
  constexpr std::uint8_t kHomeAddress = 0xc9;
  for (std::size_t at = 2; at + 2 <= header.size();) {
    if (byte_at(header, at) == kPad1) {
      ++at;
      continue;
    }
    const std::size_t length = byte_at(header, at + 1);
    if (at + 2 + length > header.size()) return;
    if (byte_at(header, at) == kHomeAddress && length == kAddress) {
      out.source = ipv6_at(header, at + 2);
      return;
    }
    at += 2 + length;
  }
}

Stop take_fragment(Bytes header, IpPacket& out) noexcept {
  const std::uint16_t fragment = u16_at(header, 2);
  if ((fragment & 0xfff8U) != 0) return Ignored::later_fragment;
  out.first_fragment = out.first_fragment || (fragment & 1U) != 0;
  return std::nullopt;
}

// What a whole extension header says beside its length.
Stop take_extension(std::uint8_t type, Bytes header, IpPacket& out) noexcept {
  if (type == kFragment) return take_fragment(header, out);
  if (type == kRouting) return follow_route(header, out);
  if (type == kDestinationOptions) take_home_address(header, out);
  // Between two locators, which may be others than the addresses the checksum was computed over.
  if (type == kShim6) out.addresses_hidden = true;
  return std::nullopt;
}

// Steps over the extension headers at the start of out.payload.
Stop skip_extensions(Family family, std::uint8_t next, IpPacket& out) noexcept {
  for (std::size_t seen = 0; is_extension(family, next); ++seen) {
    if (seen == kMaxExtensionHeaders || out.payload_length < kShortestExtension) {
      return Ignored::extension_headers;
    }
    if (out.payload.size() < kShortestExtension) return Ignored::truncated;
    const std::size_t length = extension_length(next, out.payload);
    if (length > out.payload_length) return Ignored::extension_headers;
    if (length > out.payload.size()) return Ignored::truncated;
    if (const Stop stop = take_extension(next, out.payload.first(length), out)) return stop;
    next = byte_at(out.payload, 0);
    out.payload = out.payload.subspan(length);
    out.payload_length -= length;
  }
  out.protocol = next;
  return std::nullopt;
}

// The length of the IPv4 header that begins `bytes`: it was captured whole.
Stop measure_ipv4(Bytes bytes, std::size_t& header) noexcept {
  if (bytes.size() < kIpv4Header) return Ignored::truncated;
  if (byte_at(bytes, 0) >> 4 != 4) return Ignored::bad_ip_header;
  header = (byte_at(bytes, 0) & 0x0fU) * std::size_t{4};
  if (header < kIpv4Header) return Ignored::bad_ip_header;
  if (bytes.size() < header) return Ignored::truncated;
  return std::nullopt;
}

// A list of addresses, whose next one the pointer names; it counts from 1, for the option's first byte.
// Where some are left, the packet is under way and the last one is the connection's. A route that
// lies is refused by every host.
Stop follow_source_route(Bytes option, IpPacket& out) noexcept {
  constexpr std::size_t kList = 3;
  constexpr std::size_t kAddressV4 = 4;
  if (option.size() < kList) return Ignored::bad_ip_header;
  const std::size_t pointer = byte_at(option, 2);
  if (pointer > option.size()) return std::nullopt;
  const bool whole = (option.size() - kList) % kAddressV4 == 0;
  if (!whole || pointer <= kList || pointer % kAddressV4 != 0) return Ignored::bad_ip_header;
  out.destination = ipv4_at(option, option.size() - kAddressV4);
  return std::nullopt;
}

// Of the options only a source route matters. One of an impossible length ends them.
Stop take_options(Bytes options, IpPacket& out) noexcept {
  for (std::size_t at = 0; at < options.size() && byte_at(options, at) != kEndOfOptions;) {
    const std::uint8_t type = byte_at(options, at);
    if (type == kNoOperation) {
      ++at;
      continue;
    }
    if (at + 2 > options.size()) return std::nullopt;
    const std::size_t length = byte_at(options, at + 1);
    if (length < 2 || at + length > options.size()) return std::nullopt;
    if (type == kLooseSourceRoute || type == kStrictSourceRoute) {
      return follow_source_route(options.subspan(at, length), out);
    }
    at += length;
  }
  return std::nullopt;
}

Stop take_ipv4(Bytes bytes, std::size_t header, std::size_t total, IpPacket& out) noexcept {
  out.source = ipv4_at(bytes, 12);
  out.destination = ipv4_at(bytes, 16);
  if (const Stop stop = take_options(bytes.first(header).subspan(kIpv4Header), out)) return stop;
  out.payload = rest_of(bytes, header, total);
  out.payload_length = total - header;
  return skip_extensions(Family::ipv4, byte_at(bytes, 9), out);
}

Stop check_ipv6(Bytes bytes) noexcept {
  if (bytes.size() < kIpv6Header) return Ignored::truncated;
  if (byte_at(bytes, 0) >> 4 != 6) return Ignored::bad_ip_header;
  return std::nullopt;
}

bool any_mapped(const IpPacket& packet) noexcept {
  return is_mapped(packet.source) || is_mapped(packet.destination);
}

Stop take_ipv6(Bytes bytes, std::size_t length, IpPacket& out) noexcept {
  out.source = ipv6_at(bytes, 8);
  out.destination = ipv6_at(bytes, 24);
  if (any_mapped(out)) return Ignored::mapped_address;
  out.payload = rest_of(bytes, kIpv6Header, kIpv6Header + length);
  out.payload_length = length;
  if (const Stop stop = skip_extensions(Family::ipv6, byte_at(bytes, 6), out)) return stop;
  // Those of a routing header and of a mobile node.
  if (any_mapped(out)) return Ignored::mapped_address;
  return std::nullopt;
}

}  // namespace

std::optional<Ignored> parse_ipv4(Bytes bytes, std::size_t wire_length, IpPacket& out) noexcept {
  std::size_t header = 0;
  if (const Stop stop = measure_ipv4(bytes, header)) return stop;
  std::size_t total = u16_at(bytes, 2);
  if (total == 0) total = wire_length;
  if (total < header) return Ignored::bad_ip_header;
  out.identification = u16_at(bytes, 4);
  out.hop_limit = byte_at(bytes, 8);
  const std::uint16_t fragment = u16_at(bytes, 6);
  if ((fragment & 0x1fffU) != 0) return Ignored::later_fragment;
  out.first_fragment = (fragment & 0x2000U) != 0;
  return take_ipv4(bytes, header, total, out);
}

std::optional<Ignored> parse_ipv6(Bytes bytes, std::size_t wire_length, IpPacket& out) noexcept {
  if (const Stop stop = check_ipv6(bytes)) return stop;
  std::size_t length = u16_at(bytes, 4);
  if (length == 0) {
    if (wire_length <= kIpv6Header) return Ignored::jumbogram;
    length = wire_length - kIpv6Header;
  }
  out.hop_limit = byte_at(bytes, 7);
  return take_ipv6(bytes, length, out);
}

std::optional<Ignored> parse_quoted_ipv4(Bytes bytes, IpPacket& out) noexcept {
  std::size_t header = 0;
  if (const Stop stop = measure_ipv4(bytes, header)) return stop;
  return take_ipv4(bytes, header, kUnbounded, out);
}

std::optional<Ignored> parse_quoted_ipv6(Bytes bytes, IpPacket& out) noexcept {
  if (const Stop stop = check_ipv6(bytes)) return stop;
  return take_ipv6(bytes, kUnbounded, out);
}

}  // namespace tcpeek::flowtable
