// A classic BPF program as part of an eBPF program: the same verdict on every packet, so that what comes
// after it has only to judge what the classic one accepts.
//
// It takes r7 for the accumulator, r8 for the index register and the top 64 bytes of the stack, and expects
// the context in r6. A load beyond the packet ends the whole program with 0, as it does in classic BPF.
//
// Thread contract: pure function.
// Errors: PrefilterRefused for an instruction that capture_program() does not use; another libpcap might.
// Source: Linux net/core/filter.c (bpf_convert_filter).
#pragma once

#include <linux/filter.h>

#include <span>

#include "ring/ebpf_code.h"

namespace tcpeek::ring {

// What it rejects ends the program with 0; what it accepts goes to `accepted`, which has to be placed behind.
void append_classic(EbpfCode& code, std::span<const sock_filter> program, EbpfCode::Label accepted);

// Of struct __sk_buff.
namespace context {
inline constexpr std::int16_t kLength = 0;
inline constexpr std::int16_t kPacketType = 4;
inline constexpr std::int16_t kProtocol = 16;  // in network order
inline constexpr std::int16_t kInterface = 40;
}  // namespace context

}  // namespace tcpeek::ring
