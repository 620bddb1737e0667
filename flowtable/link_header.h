// From the first byte of a frame to its IP packet: link header, tags (VLAN, VN-Tag, E-Tag), LLC and
// SNAP, PPPoE session, MPLS labels; the attributes of an NFLOG message.
//
// Thread contract: pure function. Nothing here allocates or throws.
// Source: flowtable/decode.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "flowtable/decode.h"

namespace tcpeek::flowtable {

inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;
inline constexpr std::size_t kEthernetHeader = 14;

// What follows the link headers: an ethertype and its payload.
struct LinkPayload {
  std::uint16_t ethertype = 0;
  std::size_t at = 0;
  // Where the link says that the packet ends, counted like `at`; what follows is no part of it.
  std::size_t end = std::numeric_limits<std::size_t>::max();
  std::uint32_t interface = 0;  // overwritten where the link header tells
};

// Fills `out` and returns nullopt, or returns the reason why there is no IP packet.
[[nodiscard]] std::optional<Ignored> parse_link_headers(LinkFraming link, const Frame& frame,
                                                        LinkPayload& out) noexcept;

}  // namespace tcpeek::flowtable
