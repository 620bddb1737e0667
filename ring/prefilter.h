// The prefilter in the kernel: its marks, and a program for each kind of capture socket. Loading takes Linux
// 5.11 and CAP_BPF or CAP_SYS_ADMIN; attaching takes no capability, so that sockets opened in advance get it
// too. The kernel frees both with the last socket and descriptor.
//
// Thread contract: loaded by one thread at start; descriptors are for any thread.
// Errors: PrefilterRefused with one line: the call, the errno text or the verifier's last words.
// Source: bpf(2), Linux Documentation/bpf/.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "ring/capture_filter.h"
#include "ring/descriptor.h"
#include "ring/ebpf_code.h"
#include "ring/packet_socket.h"
#include "ring/prefilter_program.h"
#include "ring/prefilter_refused.h"
#include "ring/steering.h"

namespace tcpeek::ring {

class Prefilter {
 public:
  Prefilter(CaptureFilter filter, const SteeringKey& key, std::chrono::seconds lifetime);

  // Loads the program for sockets of this kind, unless it is loaded.
  void load(Access access, std::uint32_t loopback_index);
  // Of a program that is loaded.
  [[nodiscard]] int descriptor(Access access, std::uint32_t loopback_index) const;
  [[nodiscard]] int marks() const noexcept { return marks_.get(); }

  [[nodiscard]] static constexpr std::size_t bytes() noexcept { return Marks::kBytes; }

 private:
  using Kind = std::pair<Access, std::uint32_t>;

  const CaptureFilter filter_;
  const SteeringKey key_;
  const std::chrono::seconds lifetime_;
  Descriptor marks_;
  std::map<Kind, Descriptor> programs_;
};

// The kernel's verdict on instructions. Throws PrefilterRefused.
[[nodiscard]] Descriptor load_socket_filter(std::span<const EbpfInstruction> program);

}  // namespace tcpeek::ring
