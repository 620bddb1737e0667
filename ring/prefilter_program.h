// The prefilter: the capture filter as eBPF, but an ACK without payload is copied only while an attempt of
// its flow may be pending, which is a SYN or a SYN/ACK less than a lifetime ago.
//
// What it remembers is an array of marks: at a keyed hash of the flow, the same both ways, when the last SYN
// or SYN/ACK was seen. A mark has no name on it. So flows that share one make each other's ACKs pass, which
// costs a copy; but none is ever displaced, whatever a flood does, and no ACK is lost that the capture filter
// would have passed on to a pending attempt. Where the program cannot find the flow of what might be a SYN
// (fragments, AH, IPv6 extension headers, a third tag, a header cut short) all ACKs pass for a lifetime.
//
// How it is made: segments behind plain headers are judged first, by as few loads as possible. All others run
// through the classic program itself, translated, so whatever that one rejects is rejected here.
//
// Thread contract: pure functions. Source: the verdicts are those of capture_program.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ring/capture_filter.h"
#include "ring/ebpf_code.h"
#include "ring/packet_socket.h"
#include "ring/steering.h"

namespace tcpeek::ring {

struct Marks {
  using Mark = std::uint16_t;  // the epoch, modulo 2^16; 0 for none

  static constexpr std::size_t kCount = std::size_t{1} << 21;
  static constexpr std::size_t kBytes = kCount * sizeof(Mark);
  // The mark of all flows.
  static constexpr std::uint32_t kAll = 0;
  // An epoch is 2^30 ns.
  static constexpr unsigned kEpochBits = 30;

  [[nodiscard]] static constexpr std::uint32_t index_of(std::uint32_t hash) noexcept {
    return static_cast<std::uint32_t>(std::uint64_t{hash} * (kCount - 1) >> 32) + 1;
  }
  // In whole epochs, at least as long as `lifetime` wherever in its epoch a mark was made.
  [[nodiscard]] static constexpr std::uint32_t epochs_of(
      std::chrono::nanoseconds lifetime) noexcept {
    return static_cast<std::uint32_t>(lifetime.count() >> kEpochBits) + 2;
  }
};

struct PrefilterProgram {
  CaptureFilter filter{};  // of scope handshake, not narrowed and without tunnels
  Access access = Access::link_layer;
  std::uint32_t loopback_index = 0;  // as capture_program() has it
  SteeringKey key{};
  std::chrono::seconds lifetime{60};
  int marks = -1;  // the descriptor of an array map with one value of Marks::kBytes
};

// Whether the prefilter is as good as the capture filter with this description.
[[nodiscard]] bool prefilter_knows(const CaptureFilter& filter) noexcept;

[[nodiscard]] std::vector<EbpfInstruction> prefilter_program(const PrefilterProgram& wanted);

}  // namespace tcpeek::ring
