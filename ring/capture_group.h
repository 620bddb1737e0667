// All packet sockets of one interface: one for each reader, one fanout group, one filter.
//
// The members join in the order of the readers, and the kernel numbers them in that order, also
// when the interface goes down and comes up again: member i is reader i's.
//
// Thread contract: made by one thread; then each reader has its own socket of it.
// Errors: std::system_error naming call and interface.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ring/geometry.h"
#include "ring/packet_socket.h"

namespace tcpeek::ring {

struct CaptureTarget {
  std::string name;
  std::uint32_t index = 0;  // 0: every interface
  Access access = Access::link_layer;
};

struct CaptureGroupConfig {
  unsigned readers = 1;
  RingGeometry geometry;
  bool promiscuous = false;
  std::span<const sock_filter> filter;
  std::span<const sock_filter> steering;
};

// Sockets that capture from now on, one for each reader.
[[nodiscard]] std::vector<PacketSocket> open_capture_group(const CaptureTarget& target,
                                                           const CaptureGroupConfig& config);

}  // namespace tcpeek::ring
