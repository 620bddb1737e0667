// Random packets that are valid to the letter, each with what it must decode to and how much of it
// must have been captured for that.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>

#include "tests/flowtable/decode_support.h"

namespace tcpeek::flowtable::decode_test {

struct RandomPacket {
  PacketBuilder packet;
  LinkFraming link = LinkFraming::ethernet;
  Seen expected;
  std::size_t truncated_below = 0;  // bytes of the frame: fewer end inside a header
  std::size_t enough = 0;  // fewer do not tell; between the two, an ICMP error quotes too little
  bool sums_cover_all = false;  // any changed byte makes a checksum wrong
};

class PacketMaker {
 public:
  explicit PacketMaker(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  RandomPacket make() {
    RandomPacket made;
    made.link = one_in(3) ? LinkFraming::network : LinkFraming::ethernet;
    const bool v6 = one_in(2);
    made.packet = PacketBuilder("a random packet").ip(address(v6), address(v6));
    if (one_in(4)) {
      make_icmp(v6, made);
    } else {
      make_tcp(v6, made);
    }
    add_link(made);
    return made;
  }

 private:
  std::uint16_t word() { return static_cast<std::uint16_t>(random_()); }
  std::uint32_t number() {
    constexpr std::array<std::uint32_t, 6> kEdges{0,          1,          0x7fffffff,
                                                  0x80000000, 0xfffffffe, 0xffffffff};
    return one_in(4) ? kEdges[below(kEdges.size())] : static_cast<std::uint32_t>(random_());
  }

  Address address(bool v6) {
    Address a("192.0.2.1");
    if (v6) a = "2001:db8::1";
    if (one_in(8)) return a;  // so that both ends are the same now and then
    for (std::size_t i = 0; i < (v6 ? 16U : 4U); ++i)
      a.bytes[i] = static_cast<std::uint8_t>(random_());
    return a;
  }

  // Up to `room` extension headers, of every type and length.
  void add_extensions(PacketBuilder& packet, std::uint64_t room) {
    constexpr std::array<std::uint8_t, 5> kInEights{0, 43, 60, 135, 139};
    for (std::uint64_t count = one_in(2) ? 0 : below(room + 1); count > 0; --count) {
      const std::size_t units = one_in(20) ? below(256) : below(5);
      switch (below(5)) {
        case 0:
          packet.extension(51, units * 4 + 8);
          break;
        case 1:
          packet.fragment_header(0, false);
          break;
        default:
          packet.extension(kInEights[below(kInEights.size())], units * 8 + 8);
      }
    }
  }

  void add_ip_parts(PacketBuilder& packet, std::uint64_t room) {
    if (packet.parts().v6()) {
      add_extensions(packet, room);
    } else {
      if (one_in(3)) packet.ip_options(4 * below(11));
      for (std::uint64_t count = one_in(4) ? below(room + 1) : 0; count > 0; --count) {
        packet.extension(51, below(7) * 4 + 8);
      }
      if (one_in(2)) packet.dont_fragment();
    }
  }

  void add_tcp(PacketBuilder& packet) {
    packet.tcp(one_in(8) ? 80 : word(), one_in(8) ? 80 : word())
        .seq(number())
        .ack(number())
        .flags(static_cast<std::uint8_t>(random_()))
        .tcp_options(4 * below(11))
        .data(one_in(2) ? 0 : below(one_in(10) ? 1461 : 40));
  }

  void make_tcp(bool v6, RandomPacket& made) {
    add_tcp(made.packet);
    std::size_t payload = made.packet.parts().data;
    add_ip_parts(made.packet, 7);
    const bool first_fragment = one_in(8);
    if (first_fragment) {
      v6 ? made.packet.fragment_header(0, true) : made.packet.fragment(0, true);
      payload = below(payload + 1);
      made.packet.keep(20 + made.packet.parts().tcp_options + payload);
    }
    made.expected = built(made.packet, payload);
    made.truncated_below = made.enough = made.packet.parts().transport_offset() + 14;
    made.sums_cover_all = !v6 && !first_fragment && made.packet.parts().extensions.empty();
  }

  void make_icmp(bool v6, RandomPacket& made) {
    PacketBuilder about = PacketBuilder().ip(address(v6), address(v6));
    add_tcp(about);
    add_ip_parts(about, 8);
    if (one_in(8)) about.keep(8 + below(40));
    const Octets quote = about.network();
    const std::size_t needed = about.parts().transport_offset() + 8;
    const std::size_t length = needed + below(quote.size() - needed + 1);
    constexpr std::array<std::uint8_t, 8> kCodes{0, 1, 2, 3, 5, 6, 13, 15};
    constexpr std::array<std::uint8_t, 3> kErrorsV4{3, 11, 12};
    constexpr std::array<std::uint8_t, 3> kErrorsV6{1, 3, 4};
    if (one_in(3)) about.ip_length(below(65'536));  // which nobody believes
    made.packet.icmp((v6 ? kErrorsV6 : kErrorsV4)[below(3)], kCodes[below(v6 ? 6 : 8)])
        .quoting(about.network(), length);
    if (one_in(4)) made.packet.data(below(100));  // RFC 4884 objects
    add_ip_parts(made.packet, 8);
    made.expected = quoted(about);
    made.truncated_below = made.packet.parts().transport_offset() + 8;
    made.enough = made.truncated_below + needed;
    made.sums_cover_all = !v6 && made.packet.parts().extensions.empty();
  }

  void add_link(RandomPacket& made) {
    constexpr std::array<std::uint16_t, 3> kTags{0x8100, 0x88a8, 0x9100};
    std::size_t header = 0;
    for (std::uint64_t depth = one_in(2) ? 0 : below(9); depth > 0; --depth) {
      made.packet.vlan(kTags[below(kTags.size())], word());
      header += 4;
    }
    if (made.link == LinkFraming::ethernet) {
      made.packet.ethernet().padding(one_in(4) ? below(47) : 0);
      header += 14;
    }
    made.truncated_below += header;
    made.enough += header;
  }

  std::mt19937_64 random_;
};

}  // namespace tcpeek::flowtable::decode_test
