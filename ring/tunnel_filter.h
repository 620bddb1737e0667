// The part of the capture filter that looks into tunnels, one level deep.
//
// Of the tunnels that are looked into, it lets through what the terms for plain packets would if the
// inner packet stood alone; what it cannot judge passes whole: another tunnel inside, extension headers,
// MPLS, more than two tags. Of the others it lets through SYNs, so that a reader can say that they are
// passed over. One program for every form of tunnel, as the position of the inner packet is computed
// while it runs: libpcap's expressions would take thousands of instructions for the same.
//
// Thread contract: pure function.
// Source: flowtable/tunnel_header.h.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "ring/capture_filter.h"
#include "ring/packet_socket.h"

namespace tcpeek::ring {

// Returns 0 for what it does not let through: other terms may.
[[nodiscard]] std::vector<sock_filter> tunnel_program(const CaptureFilter& filter, Access access);

}  // namespace tcpeek::ring
