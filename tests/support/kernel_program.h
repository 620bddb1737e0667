// Runs a socket filter in the kernel over bytes of a test's own (BPF_PROG_TEST_RUN), without a socket.
//
// The kernel takes a link header off first, and says by it what the packet is: so a program for link
// layer sockets gets one more before the frame.
#pragma once

#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "ring/descriptor.h"
#include "ring/packet_socket.h"
#include "ring/prefilter_program.h"
#include "tests/support/bpf_machine.h"

namespace tcpeek::test {

// What the program returns: how many bytes of the packet are to be copied.
inline std::uint32_t run_in_kernel(int program, ring::Access access, const KernelPacket& packet) {
  constexpr std::size_t kLinkHeader = 14;
  std::vector<std::byte> in(kLinkHeader);
  const bool at_link = access == ring::Access::link_layer;
  const unsigned type =
      at_link ? 0x88b5 : packet.protocol;  // for experiments: the kernel looks no further
  in[12] = static_cast<std::byte>(type >> 8);
  in[13] = static_cast<std::byte>(type);
  const std::size_t from = at_link ? 0 : packet.data_at;
  in.insert(in.end(), packet.bytes.begin() + static_cast<std::ptrdiff_t>(from), packet.bytes.end());
  bpf_attr attributes{};
  attributes.test.prog_fd = static_cast<std::uint32_t>(program);
  attributes.test.data_in = reinterpret_cast<std::uintptr_t>(in.data());
  attributes.test.data_size_in = static_cast<std::uint32_t>(in.size());
  if (::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) != 0) {
    ring::throw_errno("BPF_PROG_TEST_RUN of " + std::to_string(in.size()) + " bytes");
  }
  return attributes.test.retval;
}

// The marks of a prefilter, as the kernel has them.
class MappedMarks {
 public:
  using Mark = ring::Marks::Mark;

  explicit MappedMarks(int map) : memory_(map, ring::Marks::kBytes, "the marks") {}

  [[nodiscard]] Mark& operator[](std::size_t index) const {
    return reinterpret_cast<Mark*>(memory_.bytes().data())[index];
  }
  // Two of them as one number, from the first on.
  [[nodiscard]] std::uint32_t& word(std::size_t index) const {
    return *reinterpret_cast<std::uint32_t*>(&(*this)[index]);
  }
  void clear() const { std::memset(memory_.bytes().data(), 0, memory_.bytes().size()); }

 private:
  ring::Mapping memory_;
};

}  // namespace tcpeek::test
