// Reading the rings of real sockets in tests: poll until what is expected has come, within a
// deadline.
#pragma once

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "ring/block.h"
#include "ring/packet_socket.h"
#include "tests/support/net_namespace.h"

namespace tcpeek::test {

// Lets every packet through whole.
inline constexpr std::array<sock_filter, 1> kAcceptAll = {{{BPF_RET | BPF_K, 0, 0, 0x40000}}};

// The smallest ring a ring::PacketSocket takes: quickly full.
inline ring::RingGeometry tiny_ring() {
  return {4096, 4, 2048, std::chrono::milliseconds(1)};
}

struct Received {
  std::vector<std::byte> bytes;
  std::uint32_t wire_length = 0;
  std::int64_t time_ns = 0;
  std::uint32_t interface = 0;
  std::uint16_t protocol = 0;
  std::uint8_t packet_type = 0;
};

// What is in the ring now.
inline std::vector<Received> drain(ring::PacketSocket& socket) {
  std::vector<Received> result;
  while (const auto block = socket.ring().next()) {
    const ring::WalkResult walk = ring::walk_block(block->bytes(), [&](const ring::RingPacket& p) {
      result.push_back({{p.bytes.begin(), p.bytes.end()},
                        p.wire_length,
                        p.time_ns,
                        p.interface,
                        p.protocol,
                        p.packet_type});
    });
    EXPECT_EQ(walk.unreadable, 0U);
  }
  return result;
}

// What comes until there are `count` packets, or too long has passed.
inline std::vector<Received> receive(ring::PacketSocket& socket, std::size_t count) {
  std::vector<Received> result;
  static_cast<void>(eventually([&] {
    std::ranges::move(drain(socket), std::back_inserter(result));
    return result.size() >= count;
  }));
  return result;
}

inline bool is_readable(const ring::PacketSocket& socket, std::chrono::milliseconds within) {
  pollfd waited{socket.descriptor(), POLLIN, 0};
  return ::poll(&waited, 1, static_cast<int>(within.count())) == 1 &&
         (waited.revents & POLLIN) != 0;
}

}  // namespace tcpeek::test
