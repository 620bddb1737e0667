// Steering: which reader owns a connection. The same function twice: here in C++, and as the
// classic BPF program that the kernel runs to pick the fanout member (PACKET_FANOUT_CBPF).
//
// The hash is symmetric, so both directions agree, and keyed at start, so an outsider cannot target
// one reader: each end is mixed by itself with secret multipliers, the two results are added and
// mixed again. It uses only what classic BPF can do: 32-bit multiply, shift and exclusive or.
//
// An ICMP error is steered by the 4-tuple it quotes. What the program cannot see (deeper tags,
// headers outside the linear part) it sends to the first member; readers check owner() and mail the
// segment to its owner.
//
// The kernel shows the program received packets from the network header, outgoing ones from the
// link header: all loads are relative to the network header (SKF_NET_OFF).
//
// Thread contract: immutable; any thread may hash.
#pragma once

#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tcpeek::ring {

struct SteeringKey {
  std::uint32_t start = 0;
  std::uint32_t address_factor = 1;  // odd
  std::uint32_t port_factor = 1;     // odd
  std::uint32_t final_factor = 1;    // odd

  // A key of random bits.
  [[nodiscard]] static SteeringKey from(const std::array<std::uint32_t, 4>& random) noexcept;
};

// One end of a connection: 4 or 16 address bytes in network order, and a port.
struct SteeringEnd {
  std::span<const std::uint8_t> address;
  std::uint16_t port = 0;
};

[[nodiscard]] std::uint32_t steering_hash(const SteeringKey& key, const SteeringEnd& a,
                                          const SteeringEnd& b) noexcept;

// The reader of `members` that owns a hash: what the kernel does with the program's result.
[[nodiscard]] constexpr unsigned owner(std::uint32_t hash, unsigned members) noexcept {
  return hash % members;
}

[[nodiscard]] std::vector<sock_filter> steering_program(const SteeringKey& key);

}  // namespace tcpeek::ring
