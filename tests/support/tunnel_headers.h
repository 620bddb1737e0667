// Headers of tunnels in front of what they carry, for tests: an IP protocol and its payload.
//
//   carried(PacketBuilder().ip("203.0.113.1", "203.0.113.2"), vxlan(inner.ethernet().build()))
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/packet_builder.h"

namespace tcpeek::test {

struct Carried {
  std::uint8_t protocol = 0;
  Octets payload;
};

inline PacketBuilder carried(PacketBuilder outer, const Carried& what) {
  return outer.carrying(what.protocol, what.payload);
}

// What stands before the inner packet, and that packet.
inline Octets joined(Octets header, const Octets& inner) {
  append(header, inner);
  return header;
}

inline Octets frame_of_ip(PacketBuilder inner) {
  return inner.ethernet().build();
}

// UDP without a checksum, as most senders of tunnels have it. `length` is what the header says.
inline Carried udp(std::uint16_t port, const Octets& datagram, std::size_t length) {
  Octets header;
  put16(header, 51'000);
  put16(header, port);
  put16(header, length);
  put16(header, 0);
  return {17, joined(header, datagram)};
}
inline Carried udp(std::uint16_t port, const Octets& datagram) {
  return udp(port, datagram, 8 + datagram.size());
}

inline Octets vxlan_header(std::uint8_t flags = 0x08, std::uint8_t next_protocol = 0) {
  Octets header;
  put32(header, std::size_t{flags} << 24 | next_protocol);
  put32(header, 0x00123400);
  return header;
}
inline Carried vxlan(const Octets& frame, std::uint16_t port = 4789) {
  return udp(port, joined(vxlan_header(), frame));
}

inline Octets geneve_header(std::uint16_t protocol, std::size_t option_bytes = 0,
                            std::uint8_t flags = 0) {
  Octets header;
  put8(header, option_bytes / 4);
  put8(header, flags);
  put16(header, protocol);
  put32(header, 0x00123400);
  header.resize(header.size() + option_bytes, std::byte{0xaa});
  return header;
}
inline Carried geneve(std::uint16_t protocol, const Octets& inner, std::size_t option_bytes = 0,
                      std::uint16_t port = 6081) {
  return udp(port, joined(geneve_header(protocol, option_bytes), inner));
}

namespace gre_flag {
inline constexpr std::uint16_t checksum = 0x8000;
inline constexpr std::uint16_t key = 0x2000;
inline constexpr std::uint16_t sequence = 0x1000;
}  // namespace gre_flag

inline Octets gre_header(std::uint16_t protocol, unsigned flags = 0) {
  Octets header;
  put16(header, flags);
  put16(header, protocol);
  for (const unsigned flag : {gre_flag::checksum, gre_flag::key, gre_flag::sequence}) {
    if ((flags & flag) != 0) put32(header, 0xabcd0000);
  }
  return header;
}
inline Carried gre(std::uint16_t protocol, const Octets& inner, unsigned flags = 0) {
  return {47, joined(gre_header(protocol, flags), inner)};
}

inline Carried erspan_i(const Octets& frame) {
  return gre(0x88be, frame);
}
inline Octets erspan_ii_header(std::uint8_t version = 1) {
  Octets header = gre_header(0x88be, gre_flag::sequence);
  put16(header, unsigned{version} << 12U | 100U);
  put16(header, 7);
  put32(header, 3);
  return header;
}
inline Carried erspan_ii(const Octets& frame) {
  return {47, joined(erspan_ii_header(), frame)};
}
// `platform`: 8 bytes more.
inline Octets erspan_iii_header(std::uint8_t frame_type = 0, bool platform = false,
                                std::uint8_t version = 2) {
  Octets header = gre_header(0x22eb, gre_flag::sequence);
  put16(header, unsigned{version} << 12U | 100U);
  put16(header, 7);
  put32(header, 123'456);  // its timestamp
  put16(header, 0);
  put16(header, unsigned{frame_type} << 10U | (platform ? 1U : 0U));
  header.resize(header.size() + (platform ? 8 : 0), std::byte{0x55});
  return header;
}
inline Carried erspan_iii(const Octets& inner, std::uint8_t frame_type = 0, bool platform = false) {
  return {47, joined(erspan_iii_header(frame_type, platform), inner)};
}

inline Carried ip_in_ip(const PacketBuilder& inner) {
  const bool v6 = inner.parts().v6();
  return {v6 ? std::uint8_t{41} : std::uint8_t{4}, inner.network()};
}

// Every kind of tunnel, and the way it carries a packet.
inline std::vector<std::pair<std::string, Carried>> every_tunnel(const PacketBuilder& inner) {
  const Octets frame = frame_of_ip(inner);
  const Octets packet = inner.network();
  const std::uint16_t type = inner.parts().v6() ? 0x86dd : 0x0800;
  const std::uint8_t next = inner.parts().v6() ? 2 : 1;
  constexpr unsigned kAll = gre_flag::checksum | gre_flag::key | gre_flag::sequence;
  return {{"vxlan", vxlan(frame)},
          {"vxlan, Linux's port", vxlan(frame, 8472)},
          {"vxlan-gpe of IP", udp(4789, joined(vxlan_header(0x0c, next), packet))},
          {"vxlan-gpe of Ethernet", udp(4789, joined(vxlan_header(0x0c, 3), frame))},
          {"geneve of Ethernet", geneve(0x6558, frame)},
          {"geneve of IP with options", geneve(type, packet, 32)},
          {"gre", gre(type, packet)},
          {"gre with all fields", gre(type, packet, kAll)},
          {"gre of Ethernet", gre(0x6558, frame, gre_flag::key)},
          {"erspan I", erspan_i(frame)},
          {"erspan II", erspan_ii(frame)},
          {"erspan III", erspan_iii(frame)},
          {"erspan III, longer", erspan_iii(frame, 0, true)},
          {"erspan III of IP", erspan_iii(packet, 2)},
          {"ipip", ip_in_ip(inner)}};
}

}  // namespace tcpeek::test
