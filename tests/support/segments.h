// Segments spelled out for tests: who sends what to whom, when, seen where.
//
// A Packet keeps the two ends as they stand on the wire, so that the reference model never sees the
// tracker's key; segment() makes of it what the decoder would.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include "flowtable/flow_key.h"
#include "flowtable/segment.h"
#include "flowtable/time.h"

namespace tcpeek::flowtable::test {

inline Endpoint v4(std::uint8_t last, std::uint16_t port) {
  Endpoint end;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), end.address.begin());
  end.address[12] = 192;
  end.address[14] = 2;
  end.address[15] = last;
  end.port = port;
  return end;
}

inline Endpoint v6(std::uint8_t last, std::uint16_t port) {
  Endpoint end;
  end.address = {0x20, 0x01, 0x0d, 0xb8};
  end.address[15] = last;
  end.port = port;
  return end;
}

inline PacketTime time_of(std::chrono::nanoseconds since_epoch) {
  return PacketTime(since_epoch);
}

struct Packet {
  Endpoint source;
  Endpoint destination;
  SegmentKind kind = SegmentKind::tcp;
  std::uint8_t flags = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint16_t payload = 0;
  std::uint32_t interface = 1;
  std::int64_t at_us = 0;
  std::uint8_t print = 0;  // of IP identification and TCP timestamp
  std::uint8_t hop_limit = 64;
  std::uint8_t icmp_type = 3;
  std::uint8_t icmp_code = 1;

  [[nodiscard]] Segment segment() const {
    const DirectedKey directed = make_key(source, destination);
    Segment s;
    s.key = directed.key;
    s.sender = directed.sender;
    s.kind = kind;
    s.flags = flags;
    s.sequence = sequence;
    s.acknowledgment = acknowledgment;
    s.payload = payload;
    s.interface = interface;
    s.print = print;
    s.hop_limit = hop_limit;
    if (kind == SegmentKind::unreachable) {
      s.flags = icmp_type;
      s.print = icmp_code;
    }
    s.time = time_of(std::chrono::microseconds(at_us));
    return s;
  }

  // What is changed of a packet made by one of the functions below.
  [[nodiscard]] Packet at(std::int64_t us) const {
    Packet p = *this;
    p.at_us = us;
    return p;
  }
  [[nodiscard]] Packet on(std::uint32_t index) const {
    Packet p = *this;
    p.interface = index;
    return p;
  }
  [[nodiscard]] Packet sent_anew(std::uint8_t other_print) const {
    Packet p = *this;
    p.print = other_print;
    return p;
  }
  [[nodiscard]] Packet hops(std::uint8_t limit) const {
    Packet p = *this;
    p.hop_limit = limit;
    return p;
  }
  [[nodiscard]] Packet icmp(std::uint8_t type, std::uint8_t code) const {
    Packet p = *this;
    p.icmp_type = type;
    p.icmp_code = code;
    return p;
  }
  [[nodiscard]] Packet data(std::uint16_t bytes) const {
    Packet p = *this;
    p.payload = bytes;
    return p;
  }
  [[nodiscard]] Packet with(std::uint8_t more_flags) const {
    Packet p = *this;
    p.flags = static_cast<std::uint8_t>(p.flags | more_flags);
    return p;
  }
};

// The two ends of one connection; a packet from each.
struct Ends {
  Endpoint client;
  Endpoint server;

  [[nodiscard]] Packet up(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack = 0) const {
    return make(client, server, flags, seq, ack);
  }
  [[nodiscard]] Packet down(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack = 0) const {
    return make(server, client, flags, seq, ack);
  }
  [[nodiscard]] Packet syn(std::uint32_t isn) const { return up(tcp_flag::syn, isn); }
  [[nodiscard]] Packet synack(std::uint32_t isn, std::uint32_t ack) const {
    return down(tcp_flag::syn | tcp_flag::ack, isn, ack);
  }
  [[nodiscard]] Packet ack(std::uint32_t seq, std::uint32_t ack) const {
    return up(tcp_flag::ack, seq, ack);
  }
  [[nodiscard]] Packet unreachable(std::uint32_t quoted_seq) const {
    Packet p = make(client, server, 0, quoted_seq, 0);
    p.kind = SegmentKind::unreachable;
    return p;
  }

 private:
  static Packet make(const Endpoint& from, const Endpoint& to, std::uint8_t flags,
                     std::uint32_t seq, std::uint32_t ack) {
    Packet p;
    p.source = from;
    p.destination = to;
    p.flags = flags;
    p.sequence = seq;
    p.acknowledgment = ack;
    return p;
  }
};

// The two ends of a connection, in either direction: the lesser one first.
using Pair = std::pair<Endpoint, Endpoint>;

inline Pair pair_of(const Endpoint& a, const Endpoint& b) {
  return a < b ? Pair(a, b) : Pair(b, a);
}
inline Pair pair_of(const Packet& p) {
  return pair_of(p.source, p.destination);
}

inline std::string text(const Endpoint& end) {
  return "[.." + std::to_string(end.address[15]) + "]:" + std::to_string(end.port);
}

inline std::ostream& operator<<(std::ostream& out, const Packet& p) {
  out << p.at_us << " us if " << p.interface << ' ' << text(p.source) << " > "
      << text(p.destination);
  if (p.kind == SegmentKind::unreachable) return out << " unreachable, quoted seq " << p.sequence;
  out << ' ';
  for (const auto& [flag, letter] :
       {std::pair(tcp_flag::fin, 'F'), std::pair(tcp_flag::syn, 'S'), std::pair(tcp_flag::rst, 'R'),
        std::pair(tcp_flag::ack, 'A')}) {
    if ((p.flags & flag) != 0) out << letter;
  }
  return out << " seq " << p.sequence << " ack " << p.acknowledgment << " data " << p.payload;
}

}  // namespace tcpeek::flowtable::test
