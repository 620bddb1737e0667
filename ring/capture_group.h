// All packet sockets of one interface: one for each reader, one fanout group, one filter.
//
// The members join in the order of the readers, and the kernel numbers them in that order, also
// when the interface goes down and comes up again: member i is reader i's.
//
// Opening the sockets needs CAP_NET_RAW; making them capture needs no capability, so that can happen
// later, on an interface that did not exist before. A socket that was never in a group can capture again.
//
// Thread contract: set up by one thread; then each reader has its own socket.
// Errors: std::system_error naming call and interface.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ring/geometry.h"
#include "ring/packet_socket.h"

namespace tcpeek::ring {

struct CaptureTarget {
  std::string name;
  std::uint32_t index = 0;  // 0: every interface
  Access access = Access::link_layer;
};

// Loaded as eBPF, and loaded still when sockets are opened (prefilter.h).
struct LoadedProgram {
  int descriptor = -1;
};

// What a socket lets through.
using SocketFilter = std::variant<std::span<const sock_filter>, LoadedProgram>;

struct CaptureGroupConfig {
  RingGeometry geometry;
  bool promiscuous = false;
  SocketFilter filter;
  std::span<const sock_filter> steering;
};

// `count` sockets that capture nothing yet.
[[nodiscard]] std::vector<PacketSocket> open_sockets(const CaptureTarget& target,
                                                     std::size_t count);

// Gives a socket a ring, and a filter that keeps it empty. Sockets may be prepared side by side.
void prepare(PacketSocket& socket, const RingGeometry& geometry);

// Makes them capture from now on, each for one reader.
void start_capture(std::span<PacketSocket> sockets, const CaptureTarget& target,
                   const CaptureGroupConfig& config);

// Both in one.
[[nodiscard]] std::vector<PacketSocket> open_capture_group(const CaptureTarget& target,
                                                           std::size_t readers,
                                                           const CaptureGroupConfig& config);

}  // namespace tcpeek::ring
