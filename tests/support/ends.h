// The two ends of a connection, and the packets between them that capture has to do with: a
// segment, something else, an ICMP error that quotes one.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <span>

#include "tests/support/octets.h"
#include "tests/support/packet_builder.h"

namespace tcpeek::test {

namespace tcp_bit {
inline constexpr std::uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16;
}

inline constexpr std::uint16_t kVlan = 0x8100;
inline constexpr std::uint16_t kQinQ = 0x88a8;

struct End {
  Address address;
  std::uint16_t port = 0;

  [[nodiscard]] std::span<const std::uint8_t> address_bytes() const {
    return std::span(address.bytes).first(address.v6 ? 16 : 4);
  }
};

inline End random_end(std::mt19937& random, bool v6) {
  End end;
  end.address.v6 = v6;
  for (std::size_t i = 0; i < (v6 ? 16U : 4U); ++i) {
    end.address.bytes.at(i) = static_cast<std::uint8_t>(random());
  }
  end.port = static_cast<std::uint16_t>(random());
  return end;
}

inline PacketBuilder segment(const End& from, const End& to, std::uint8_t flags) {
  return PacketBuilder()
      .ethernet()
      .ip(from.address, to.address)
      .tcp(from.port, to.port)
      .flags(flags);
}

inline PacketBuilder udp(const End& from, const End& to) {
  return PacketBuilder().ethernet().ip(from.address, to.address).raw(17, 64);
}

// An error about `quoted`, of whose packet it carries the first `at_most` bytes.
inline PacketBuilder icmp_error(const End& from, const End& to, std::uint8_t type,
                                std::uint8_t code, const PacketBuilder& quoted,
                                std::size_t at_most = std::numeric_limits<std::size_t>::max()) {
  return PacketBuilder()
      .ethernet()
      .ip(from.address, to.address)
      .icmp(type, code)
      .quoting(quoted.network(), at_most);
}

}  // namespace tcpeek::test
