#include "ring/capture_group.h"

#include "ring/capture_filter.h"

namespace tcpeek::ring {

std::vector<PacketSocket> open_capture_group(const CaptureTarget& target,
                                             const CaptureGroupConfig& config) {
  std::vector<PacketSocket> sockets;
  std::uint16_t group = 0;
  for (unsigned i = 0; i < config.readers; ++i) {
    PacketSocket& socket = sockets.emplace_back(target.access, target.name);
    socket.set_filter(reject_all());
    socket.map_ring(config.geometry);
    socket.bind(target.index);
    if (config.promiscuous && target.index != 0) socket.set_promiscuous(target.index);
    if (config.readers == 1) continue;
    if (i == 0) {
      group = socket.create_group();
    } else {
      socket.join_group(group);
    }
  }
  if (config.readers > 1) sockets.front().set_steering(config.steering);
  for (PacketSocket& socket : sockets) socket.set_filter(config.filter);
  return sockets;
}

}  // namespace tcpeek::ring
