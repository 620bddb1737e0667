// The flow of a packet, read byte by byte: what the prefilter has to find in it, found another way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ring/packet_socket.h"
#include "tests/support/bpf_machine.h"
#include "tests/support/packet_builder.h"

namespace tcpeek::test {

struct FoundFlow {
  std::vector<std::uint8_t> source;
  std::vector<std::uint8_t> destination;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t flags = 0;
};

class FlowReading {
 public:
  explicit FlowReading(const KernelPacket& packet, ring::Access access)
      : bytes_(packet.bytes), at_(access == ring::Access::link_layer ? 12 : packet.data_at) {
    if (access == ring::Access::network_layer) {
      type_ = packet.protocol;
    } else if (has(2)) {
      type_ = take(2);
    }
    for (int tags = 0; tags < 2 && (type_ == kVlan || type_ == kQinQ || type_ == 0x9100); ++tags) {
      if (!has(4)) return;
      take(2);
      type_ = take(2);
    }
    if (type_ == 0x0800) read_v4();
    if (type_ == 0x86dd) read_v6();
  }
  // The flow of an unfragmented segment whose TCP header is complete.
  [[nodiscard]] const std::optional<FoundFlow>& found() const { return found_; }

 private:
  [[nodiscard]] bool has(std::size_t n) const { return bytes_.size() >= at_ + n; }
  std::uint32_t take(std::size_t n) {
    std::uint32_t value = 0;
    while (n-- > 0) value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at_++]);
    return value;
  }
  std::vector<std::uint8_t> take_bytes(std::size_t n) {
    std::vector<std::uint8_t> taken;
    while (n-- > 0) taken.push_back(static_cast<std::uint8_t>(take(1)));
    return taken;
  }

  void read_v4() {
    if (!has(20)) return;
    const std::size_t header = at_;
    const std::size_t length = (take(1) & 0xf) * 4;
    take(5);
    const std::uint32_t fragment = take(2) & 0x3fff;
    take(1);
    const bool tcp = take(1) == 6;
    take(2);
    const auto source = take_bytes(4);
    const auto destination = take_bytes(4);
    at_ = header + length;
    if (tcp && fragment == 0) read_tcp(source, destination);
  }
  void read_v6() {
    if (!has(40)) return;
    take(6);
    const bool tcp = take(1) == 6;
    take(1);
    const auto source = take_bytes(16);
    const auto destination = take_bytes(16);
    if (tcp) read_tcp(source, destination);
  }
  void read_tcp(const std::vector<std::uint8_t>& source,
                const std::vector<std::uint8_t>& destination) {
    if (!has(20)) return;
    FoundFlow flow{.source = source,
                   .destination = destination,
                   .source_port = 0,
                   .destination_port = 0,
                   .flags = 0};
    flow.source_port = static_cast<std::uint16_t>(take(2));
    flow.destination_port = static_cast<std::uint16_t>(take(2));
    take(9);
    flow.flags = static_cast<std::uint8_t>(take(1));
    found_ = std::move(flow);
  }

  std::span<const std::byte> bytes_;
  std::size_t at_;
  std::uint32_t type_ = 0;
  std::optional<FoundFlow> found_;
};

}  // namespace tcpeek::test
