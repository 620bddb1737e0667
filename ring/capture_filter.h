// What to capture, as one description: whatever decides which packets reach a reader is made from it.
// Here it becomes a libpcap expression; capture_program.h compiles that for the kernel.
//
// Scope `handshake` lets through SYN, RST, FIN, segments without payload and, if asked for, the ICMP
// errors that end an attempt; `tcp` every TCP segment. libpcap's tcp[] never matches IPv6: those terms
// are written with ip6[]. Behind AH and IPv6 extension headers a filter cannot look far, so such packets
// pass unless the first of those headers says that something else follows. A first fragment that ends
// inside the TCP header passes too, so that it is counted.
//
// Thread contract: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace tcpeek::ring {

enum class CaptureScope : std::uint8_t { handshake, tcp };

// Tunnels: those that are looked into, and the ports of all, 0 for none.
struct CaptureTunnels {
  bool vxlan = false;
  bool geneve = false;
  bool gre = false;
  bool ipip = false;
  std::array<std::uint16_t, 2> vxlan_ports{4789, 8472};
  std::uint16_t geneve_port = 6081;

  [[nodiscard]] bool any() const noexcept { return vxlan || geneve || gre || ipip; }
};

struct CaptureFilter {
  CaptureScope scope = CaptureScope::handshake;
  bool icmp = false;
  std::string narrowed_by;  // any libpcap expression, or empty
  CaptureTunnels tunnels{};
};

// An expression that libpcap does not compile, or the kernel does not take.
class FilterSyntaxError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An expression by which nothing would be captured, or too much, as live packets do not have what it names.
class FilterNotLive : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The description without `narrowed_by` and tunnels (tunnel_filter.h), for packets whose ethertype is known.
struct CaptureTerms {
  std::string v4;
  std::string v6;
};
[[nodiscard]] CaptureTerms capture_terms(const CaptureFilter& filter);

// All of it but tunnels as one expression.
[[nodiscard]] std::string capture_expression(const CaptureFilter& filter);

// The expression for packets without, with one and with two tags in their bytes.
[[nodiscard]] std::string behind_tags_too(const std::string& expression);

}  // namespace tcpeek::ring
