// What the tests of tunnels share: a SYN, inside each kind of tunnel, over IPv4 and IPv6.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "tests/flowtable/decode_support.h"
#include "tests/support/tunnel_headers.h"

namespace tcpeek::flowtable::decode_test {

inline PacketBuilder outer(bool v6, std::string description = "a tunnel") {
  PacketBuilder packet(std::move(description));
  return v6 ? packet.ip("2001:db8:f::1", "2001:db8:f::2") : packet.ip("203.0.113.1", "203.0.113.2");
}

inline PacketBuilder syn(bool v6 = false) {
  PacketBuilder packet("a SYN");
  if (v6) {
    packet.ip("2001:db8::1", "2001:db8:ffff::2");
  } else {
    packet.ip("192.0.2.1", "198.51.100.2");
  }
  return packet.tcp(40000, 80).seq(0xfedcba98).ack(0x01234567).flags(tcp_flag::syn).data(9);
}

inline Look all(std::size_t captured = kAll) {
  return {.captured = captured, .tunnels = Tunnels::all()};
}

inline Look only(TunnelKind kind) {
  Look look;
  look.tunnels.want(kind);
  return look;
}

inline TunnelKind kind_of(std::string_view name) {
  if (name.starts_with("vxlan")) return TunnelKind::vxlan;
  if (name.starts_with("geneve")) return TunnelKind::geneve;
  return name.starts_with("ipip") ? TunnelKind::ipip : TunnelKind::gre;
}

inline std::string_view outcome_of(const test::Carried& what, const Look& look = all()) {
  return outcome(test::carried(outer(false), what), look);
}

template <class Check>
inline void for_each_tunnel(Check check) {
  for (const bool outside : {false, true}) {
    for (const bool inside : {false, true}) {
      for (const auto& [name, what] : test::every_tunnel(syn(inside))) {
        SCOPED_TRACE(testing::Message() << name << (outside ? " over IPv6" : " over IPv4") << ", "
                                        << (inside ? "IPv6" : "IPv4") << " inside");
        check(name, test::carried(outer(outside, name), what), syn(inside));
      }
    }
  }
}

}  // namespace tcpeek::flowtable::decode_test
