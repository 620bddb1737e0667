// The load as an XDP program: it counts its runs in a map, computes packet number n of the pattern,
// writes it into the frame and passes the frame on. The kernel runs it on frames that it creates and
// reuses itself, so each run writes every field that varies.
//
// Run live, the frames enter the interface's receive path as if they had arrived there, and taps
// see them (kernel: net/bpf/test_run.c, BPF_F_TEST_XDP_LIVE_FRAMES; Linux 5.18). In a dry run, one frame
// is returned for inspection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bench/live/descriptor.h"
#include "bench/live/pattern.h"

namespace tcpeek::bench {

class XdpProgram {
 public:
  // Throws std::system_error naming the call: not permitted, or a kernel without it.
  XdpProgram(Load load, bool ipv6, std::uint32_t period = kDefaultPeriod);

  // The number of the next packet.
  void set_next(std::uint64_t n);
  [[nodiscard]] std::uint64_t next() const;

  // One run outside any interface; the frame it made.
  [[nodiscard]] std::vector<std::byte> run_dry() const;

  // Throws if live frames are not available. Nothing enters the interface: the program drops a frame
  // too short for the headers, and does not count it.
  void try_live(unsigned interface_index);

  // `packets` live frames into `interface_index`. Throws when the kernel cannot, or made fewer.
  void run_live(unsigned interface_index, std::uint32_t packets);

 private:
  void run_live(unsigned interface_index, std::uint32_t packets, std::size_t bytes);

  std::vector<std::byte> frame_;
  Descriptor counter_;
  Descriptor program_;
};

}  // namespace tcpeek::bench
