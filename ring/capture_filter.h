// What the kernel lets through: the capture filter, written as a libpcap expression and compiled by
// libpcap to classic BPF. What it rejects costs the host next to nothing; what it accepts is copied.
//
// Mode `handshake` lets through SYN, RST, FIN, segments without payload and, if asked for, the
// ICMP errors that end an attempt; `tcp` every TCP segment. libpcap's tcp[] never matches IPv6: those terms
// are written with ip6[]; behind IPv6 extension headers a filter cannot look far, so such packets
// pass unless the first of those headers says that something else follows.
//
// Errors: FilterSyntaxError for the user's expression; std::runtime_error for our own (a bug).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "ring/packet_socket.h"

namespace tcpeek::ring {

enum class CaptureScope : std::uint8_t { handshake, tcp };

struct CaptureFilter {
  CaptureScope scope = CaptureScope::handshake;
  bool icmp = false;
  std::string narrowed_by;  // any libpcap expression, or empty
};

class FilterSyntaxError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Long enough for link header and tags, IP options or some extension headers, TCP options, and the
// same once more where an ICMP error quotes it.
inline constexpr std::uint32_t kSnapLength = 256;

// Accepts nothing: what a socket has until its group is complete.
[[nodiscard]] std::vector<sock_filter> reject_all();

// The program for sockets of this access. Packets seen leaving by loopback are rejected, as they are
// seen arriving too; `loopback_index` is its interface index, 0 if it is not captured.
[[nodiscard]] std::vector<sock_filter> capture_program(const CaptureFilter& filter, Access access,
                                                       std::uint32_t loopback_index);

// The expression for packets without, with one and with two tags in their bytes.
[[nodiscard]] std::string behind_tags_too(const std::string& expression);

// The expression before compilation, to be shown.
[[nodiscard]] std::string capture_expression(const CaptureFilter& filter);

}  // namespace tcpeek::ring
