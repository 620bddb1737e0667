// A libpcap filter expression for packets of a capture file: compiled and evaluated by libpcap, as the
// kernel would have.
//
// Thread contract: immutable; any thread may ask.
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
  // Of packets of this LINKTYPE. On Ethernet it matches behind one or two tags, too, as live. On BSD
  // loopback it sees the packet behind the address family: libpcap knows this machine's families only.
  OfflineFilter(std::uint16_t link_type, const std::string& expression);

  [[nodiscard]] bool matches(std::span<const std::byte> bytes,
                             std::uint32_t wire_length) const noexcept;

 private:
  struct Free {
    void operator()(bpf_program* program) const noexcept;
  };
  std::unique_ptr<bpf_program, Free> program_;
  std::size_t skipped_ = 0;  // bytes before what the program sees
};

}  // namespace tcpeek::ring
