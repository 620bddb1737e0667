// From the payload of an IP packet to the packet inside it: IP in IP, GRE, ERSPAN, VXLAN, Geneve.
//
// What encloses the inner packet is only stepped over: checksums of UDP and GRE are not verified, as
// senders leave them out or to the network card.
//
// Thread contract: pure functions. Nothing here allocates or throws.
// Source: RFC 2003, RFC 4213, RFC 2784 and 2890 (GRE), RFC 7637 (NVGRE), draft-foschiano-erspan-03,
// RFC 7348 (VXLAN), draft-ietf-nvo3-vxlan-gpe-12, RFC 8926 (Geneve).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "flowtable/bytes.h"
#include "flowtable/decode.h"
#include "flowtable/ignored.h"
#include "flowtable/ip_header.h"
#include "flowtable/tunnels.h"

namespace tcpeek::flowtable {

// What a tunnel carries: Ethernet, or the payload of `ethertype`.
struct TunnelContent {
  LinkFraming link = LinkFraming::network;  // or ethernet
  std::uint16_t ethertype = 0;
  Bytes bytes;             // captured part
  std::size_t length = 0;  // by the headers' word
};

// The tunnel that `packet` belongs to by its protocol and port, wanted or not.
[[nodiscard]] std::optional<TunnelKind> tunnel_of(const IpPacket& packet,
                                                  const Tunnels& tunnels) noexcept;

// Fills `out` and returns nullopt, or returns the reason why there is nothing inside.
[[nodiscard]] std::optional<Ignored> parse_tunnel(TunnelKind kind, const IpPacket& packet,
                                                  TunnelContent& out) noexcept;

}  // namespace tcpeek::flowtable
