// Builds the kernel's capture filter from the options. Here, as config/ and ring/ must not include each other.
//
// Thread contract: pure functions.
#pragma once

#include "engine/config/options.h"
#include "flowtable/tunnels.h"
#include "ring/capture_filter.h"

namespace tcpeek::engine {

[[nodiscard]] inline ring::CaptureTunnels capture_tunnels_of(const flowtable::Tunnels& tunnels) {
  using flowtable::TunnelKind;
  return {.vxlan = tunnels.has(TunnelKind::vxlan),
          .geneve = tunnels.has(TunnelKind::geneve),
          .gre = tunnels.has(TunnelKind::gre),
          .ipip = tunnels.has(TunnelKind::ipip),
          .vxlan_ports = tunnels.vxlan_ports,
          .geneve_port = tunnels.geneve_port};
}

[[nodiscard]] inline ring::CaptureFilter capture_filter_of(const Options& options) {
  return {.scope = options.capture == CaptureMode::tcp ? ring::CaptureScope::tcp
                                                       : ring::CaptureScope::handshake,
          .icmp = options.icmp,
          .narrowed_by = options.bpf,
          .tunnels = capture_tunnels_of(options.decoding().tunnels)};
}

}  // namespace tcpeek::engine
