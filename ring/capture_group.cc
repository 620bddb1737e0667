#include "ring/capture_group.h"

#include "ring/capture_program.h"

namespace tcpeek::ring {
namespace {

void attach(PacketSocket& socket, const SocketFilter& filter) {
  if (const auto* program = std::get_if<LoadedProgram>(&filter))
    return socket.set_program(program->descriptor);
  socket.set_filter(std::get<std::span<const sock_filter>>(filter));
}

void bind(PacketSocket& socket, const CaptureTarget& target, const CaptureGroupConfig& config) {
  if (socket.mapped()) {
    socket.set_filter(reject_all());
  } else {
    prepare(socket, config.geometry);
  }
  socket.bind(target.index);
  if (config.promiscuous && target.index != 0) socket.set_promiscuous(target.index);
}

void group(std::span<PacketSocket> sockets, std::span<const sock_filter> steering) {
  const std::uint16_t id = sockets.front().create_group();
  for (PacketSocket& socket : sockets.subspan(1)) socket.join_group(id);
  sockets.front().set_steering(steering);
}

}  // namespace

std::vector<PacketSocket> open_sockets(const CaptureTarget& target, std::size_t count) {
  std::vector<PacketSocket> sockets;
  for (std::size_t i = 0; i < count; ++i) sockets.emplace_back(target.access, target.name);
  return sockets;
}

void prepare(PacketSocket& socket, const RingGeometry& geometry) {
  socket.set_filter(reject_all());
  socket.map_ring(geometry);
}

// The kernel refuses an interface that is gone when a socket is bound: by then none may be in the group, as a
// member is of no use any more.
void start_capture(std::span<PacketSocket> sockets, const CaptureTarget& target,
                   const CaptureGroupConfig& config) {
  for (PacketSocket& socket : sockets) bind(socket, target, config);
  if (sockets.size() > 1) group(sockets, config.steering);
  for (PacketSocket& socket : sockets) attach(socket, config.filter);
}

std::vector<PacketSocket> open_capture_group(const CaptureTarget& target, std::size_t readers,
                                             const CaptureGroupConfig& config) {
  std::vector<PacketSocket> sockets = open_sockets(target, readers);
  start_capture(sockets, target, config);
  return sockets;
}

}  // namespace tcpeek::ring
