// The second-best way to inject the load, for machines without live frames: the same packets through an
// AF_PACKET socket, past the queueing discipline, from the other end of a veth pair. It sends less than
// half as many packets a second, as each one costs a copy and a share of a system call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/live/descriptor.h"
#include "bench/live/pattern.h"

namespace tcpeek::bench {

class PacketSender {
 public:
  // Packets leave by `interface_index`. Throws std::system_error naming the call.
  PacketSender(Load load, bool ipv6, std::uint32_t period, unsigned interface_index);

  // Sends exactly `packets`, the first being number `first`: what the interface refuses is sent
  // again. Throws std::system_error when it keeps refusing.
  void send(std::uint64_t first, std::uint32_t packets);

 private:
  Load load_;
  std::uint32_t period_;
  Layout layout_;
  Descriptor socket_;
  std::vector<std::vector<std::byte>> frames_;
};

}  // namespace tcpeek::bench
