// The capture filter as classic BPF: what the kernel runs for each packet. What it rejects costs the
// host next to nothing; what it accepts is copied.
//
// Thread contract: pure functions.
// Errors: FilterSyntaxError and FilterNotLive for the user's expression; std::runtime_error for our own (a bug).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "ring/capture_filter.h"
#include "ring/packet_socket.h"

namespace tcpeek::ring {

// Long enough for link header and tags, IP options or some extension headers, TCP options, and the
// same once more where an ICMP error quotes it.
inline constexpr std::uint32_t kSnapLength = 256;

// Accepts nothing: what a socket has until its group is complete.
[[nodiscard]] std::vector<sock_filter> reject_all();

// The program for sockets of this access. Packets seen leaving by loopback are rejected, as they are
// seen arriving too; `loopback_index` is its interface index, 0 if it is not captured.
[[nodiscard]] std::vector<sock_filter> capture_program(const CaptureFilter& filter, Access access,
                                                       std::uint32_t loopback_index);

}  // namespace tcpeek::ring
