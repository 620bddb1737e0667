// The prefilter: the capture filter as eBPF, but an ACK without payload is copied only while an attempt of
// its flow may be pending, which is a SYN or a SYN/ACK less than a lifetime ago.
//
// What it remembers are marks (prefilter_marks.h). No ACK is lost that the capture filter would have passed on
// to a pending attempt. Where the program cannot find the flow of what might be a SYN (fragments, AH, IPv6
// extension headers that TCP may follow, a third tag, a header cut short) all ACKs pass for a lifetime. Tunnels
// are none of these: what is inside is no attempt, as the prefilter goes with no tunnel that is looked into.
//
// How it is made: segments behind plain headers are judged first, by as few loads as possible. All others run
// through the classic program itself, translated, so whatever that one rejects is rejected here.
//
// Thread contract: pure functions. Source: the verdicts are those of capture_program.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "ring/capture_filter.h"
#include "ring/ebpf_code.h"
#include "ring/packet_socket.h"
#include "ring/prefilter_marks.h"
#include "ring/steering.h"

namespace tcpeek::ring {

struct PrefilterProgram {
  CaptureFilter filter{};  // without a conflict
  Access access = Access::link_layer;
  std::uint32_t loopback_index = 0;  // as capture_program() has it
  SteeringKey key{};
  std::chrono::seconds lifetime{60};
  int marks = -1;  // the descriptor of an array map with one value of Marks::kBytes
};

// What a capture filter wants that the prefilter does not know.
enum class PrefilterConflict : std::uint8_t { none, every_segment, expression, tunnels };

[[nodiscard]] PrefilterConflict prefilter_conflict(const CaptureFilter& filter) noexcept;

// Lets through what the capture filter of that description does, ACKs apart. Throws std::logic_error on a conflict.
[[nodiscard]] std::vector<EbpfInstruction> prefilter_program(const PrefilterProgram& wanted);

}  // namespace tcpeek::ring
