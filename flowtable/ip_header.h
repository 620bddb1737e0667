// From the first byte of an IP packet to its transport: IPv4, IPv6, and the headers between.
//
// Thread contract: pure functions. Nothing here allocates or throws.
// Invariants: `payload` lies within the bytes given, and `payload_length` may exceed it where less was
// captured. The addresses are the connection's: the last one of a source route or a routing header, the
// home address of a mobile node.
// Source: RFC 791 (3.1: source routes), RFC 8200 (4.4: routing headers), RFC 2675, RFC 4302 (AH), RFC 5095 (type 0), RFC 6275
// (mobility), RFC 6554 (RPL), RFC 8754 (SRH), RFC 7401 (HIP), RFC 5533 (Shim6).
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "flowtable/bytes.h"
#include "flowtable/flow_key.h"
#include "flowtable/ignored.h"

namespace tcpeek::flowtable {

inline constexpr std::size_t kIpv4Header = 20;
inline constexpr std::size_t kIpv6Header = 40;

// What the IP headers said of their payload.
struct IpPacket {
  AddressWords source;
  AddressWords destination;
  Bytes payload;                     // captured part
  std::size_t payload_length = 0;    // by the headers' word
  std::uint16_t identification = 0;  // of IPv4
  std::uint8_t hop_limit = 0;        // time to live
  std::uint8_t protocol = 0;
  bool first_fragment = false;  // more follow
  // The sender computed its checksum over addresses that the packet does not tell.
  bool addresses_hidden = false;
};

// `wire_length` is that of the packet where its length field is zero: a segmentation offload's packet is
// too long for the field, or not yet cut. Each fills `out` and returns nothing, or the reason.
[[nodiscard]] std::optional<Ignored> parse_ipv4(Bytes bytes, std::size_t wire_length,
                                                IpPacket& out) noexcept;
[[nodiscard]] std::optional<Ignored> parse_ipv6(Bytes bytes, std::size_t wire_length,
                                                IpPacket& out) noexcept;

// The same of a packet that an ICMP error quotes. What its length and IPv4 fragment fields say is not
// believed: old stacks quote them in the wrong byte order or without the header, and Linux, which aborts
// the connection, does not look at them.
[[nodiscard]] std::optional<Ignored> parse_quoted_ipv4(Bytes bytes, IpPacket& out) noexcept;
[[nodiscard]] std::optional<Ignored> parse_quoted_ipv6(Bytes bytes, IpPacket& out) noexcept;

[[nodiscard]] inline AddressWords ipv4_at(Bytes bytes, std::size_t offset) noexcept {
  assert(offset + 4 <= bytes.size());
  std::uint32_t four = 0;
  std::memcpy(&four, bytes.data() + offset, sizeof four);
  return AddressWords::mapped(four);
}

[[nodiscard]] inline AddressWords ipv6_at(Bytes bytes, std::size_t offset) noexcept {
  AddressWords address;
  assert(offset + sizeof address <= bytes.size());
  std::memcpy(&address, bytes.data() + offset, sizeof address);
  return address;
}

// An IPv4-mapped one (RFC 4291 2.5.5.2): in a key it would pass for the IPv4 address.
[[nodiscard]] inline bool is_mapped(const AddressWords& address) noexcept {
  return is_v4(std::bit_cast<IpAddress>(address));
}

}  // namespace tcpeek::flowtable
