// Which tunnels are looked into, and the UDP ports of those that have one.
//
// Thread contract: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tcpeek::flowtable {

enum class TunnelKind : std::uint8_t {
  vxlan,
  geneve,
  gre,   // with ERSPAN and transparent Ethernet bridging
  ipip,  // IP in IP, any versions
};

inline constexpr std::size_t kTunnelKinds = 4;

// How many tunnels deep a packet is looked into.
inline constexpr std::size_t kMaxTunnels = 4;

struct Tunnels {
  std::array<bool, kTunnelKinds> wanted{};
  // A port of zero is none.
  std::array<std::uint16_t, 2> vxlan_ports{4789, 8472};  // IANA's, and Linux's
  std::uint16_t geneve_port = 6081;

  [[nodiscard]] static constexpr Tunnels all() noexcept {
    return {.wanted = {true, true, true, true}};
  }

  constexpr void want(TunnelKind kind) noexcept { wanted[static_cast<std::size_t>(kind)] = true; }
  [[nodiscard]] constexpr bool has(TunnelKind kind) const noexcept {
    return wanted[static_cast<std::size_t>(kind)];
  }

  // Instead of the usual ones. A port is one tunnel's alone.
  constexpr void use_port(TunnelKind kind, std::uint16_t port) noexcept {
    const bool vxlan = kind == TunnelKind::vxlan;
    for (std::uint16_t& other : vxlan_ports) other = vxlan || other == port ? 0 : other;
    if (!vxlan || geneve_port == port) geneve_port = 0;
    (vxlan ? vxlan_ports[0] : geneve_port) = port;
  }

  // The tunnel whose UDP packets go to this port.
  [[nodiscard]] constexpr bool is_vxlan(std::uint16_t port) const noexcept {
    return port != 0 && (port == vxlan_ports[0] || port == vxlan_ports[1]);
  }
  [[nodiscard]] constexpr bool is_geneve(std::uint16_t port) const noexcept {
    return port != 0 && port == geneve_port;
  }

  bool operator==(const Tunnels&) const = default;
};

}  // namespace tcpeek::flowtable
