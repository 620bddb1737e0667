// A libpcap filter expression for packets of a capture file: compiled and evaluated by libpcap, with the
// kernel's result.
//
// Thread contract: immutable; any thread may use it.
// Errors: FilterSyntaxError with libpcap's words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct bpf_program;

namespace tcpeek::ring {

class OfflineFilter {
 public:
  // For packets of this LINKTYPE. On Ethernet it matches behind one or two tags, too, as live. On BSD
  // loopback it sees the packet after the address family: libpcap knows only this machine's families.
  OfflineFilter(std::uint16_t link_type, const std::string& expression);

  [[nodiscard]] bool matches(std::span<const std::byte> bytes,
                             std::uint32_t wire_length) const noexcept;

 private:
  struct Free {
    void operator()(bpf_program* program) const noexcept;
  };
  std::unique_ptr<bpf_program, Free> program_;
  std::size_t skipped_ = 0;  // leading bytes that the program does not see
};

}  // namespace tcpeek::ring
