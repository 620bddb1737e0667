// An ICMP error about a SYN: who sent it, and what it says.
//
// Thread contract: plain values, pure functions.
// Source: RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1, RFC 4443 section 3.
#pragma once

#include <cstdint>
#include <string_view>

#include "flowtable/flow_key.h"

namespace tcpeek::flowtable {

struct IcmpError {
  IpAddress router{};  // its sender: the host itself, or a router on the way
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  bool v6 = false;

  bool operator==(const IcmpError&) const = default;
};

// What it says, in one word for both families.
enum class Unreachable : std::uint8_t {
  no_route,
  host,      // did not answer ARP or neighbour discovery, or is unknown
  protocol,  // nobody there speaks TCP
  port,
  prohibited,    // by a filter or a policy
  hop_limit,     // ran out: a routing loop
  bad_header,    // parameter problem
  source_route,  // failed
  other,
};
inline constexpr std::size_t kUnreachables = static_cast<std::size_t>(Unreachable::other) + 1;

[[nodiscard]] constexpr std::string_view word(Unreachable reason) noexcept {
  switch (reason) {
    case Unreachable::no_route:
      return "no_route";
    case Unreachable::host:
      return "host";
    case Unreachable::protocol:
      return "protocol";
    case Unreachable::port:
      return "port";
    case Unreachable::prohibited:
      return "prohibited";
    case Unreachable::hop_limit:
      return "hop_limit";
    case Unreachable::bad_header:
      return "bad_header";
    case Unreachable::source_route:
      return "source_route";
    case Unreachable::other:
      return "other";
  }
  __builtin_unreachable();
}

// The same as a person would say it.
[[nodiscard]] constexpr std::string_view words(Unreachable reason) noexcept {
  switch (reason) {
    case Unreachable::no_route:
      return "no route";
    case Unreachable::host:
      return "host unreachable";
    case Unreachable::protocol:
      return "protocol unreachable";
    case Unreachable::port:
      return "port unreachable";
    case Unreachable::prohibited:
      return "prohibited";
    case Unreachable::hop_limit:
      return "hop limit exceeded";
    case Unreachable::bad_header:
      return "parameter problem";
    case Unreachable::source_route:
      return "source route failed";
    case Unreachable::other:
      return "unreachable";
  }
  __builtin_unreachable();
}

[[nodiscard]] constexpr Unreachable reason_of_v4(std::uint8_t type, std::uint8_t code) noexcept {
  if (type == 11) return Unreachable::hop_limit;
  if (type == 12) return Unreachable::bad_header;
  switch (code) {  // of type 3
    case 0:
    case 6:   // network unknown
    case 11:  // network unreachable for this type of service
      return Unreachable::no_route;
    case 1:
    case 7:   // host unknown
    case 8:   // source host isolated
    case 12:  // host unreachable for this type of service
      return Unreachable::host;
    case 2:
      return Unreachable::protocol;
    case 3:
      return Unreachable::port;
    case 5:
      return Unreachable::source_route;
    case 9:
    case 10:
    case 13:
    case 14:  // precedence violation
    case 15:  // precedence cutoff
      return Unreachable::prohibited;
    default:
      return Unreachable::other;
  }
}

[[nodiscard]] constexpr Unreachable reason_of_v6(std::uint8_t type, std::uint8_t code) noexcept {
  if (type == 3) return Unreachable::hop_limit;
  if (type == 4) return Unreachable::bad_header;
  switch (code) {  // of type 1
    case 0:
      return Unreachable::no_route;
    case 1:
    case 2:  // beyond the scope of the source address
    case 5:  // ingress or egress policy
    case 6:  // reject route
      return Unreachable::prohibited;
    case 3:
      return Unreachable::host;
    case 4:
      return Unreachable::port;
    case 7:
      return Unreachable::source_route;
    default:
      return Unreachable::other;
  }
}

[[nodiscard]] constexpr Unreachable reason_of(const IcmpError& error) noexcept {
  return error.v6 ? reason_of_v6(error.type, error.code) : reason_of_v4(error.type, error.code);
}

}  // namespace tcpeek::flowtable
