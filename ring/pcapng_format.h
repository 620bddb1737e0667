// The pcapng format: blocks, each with its type and its length at both ends; each section has a byte
// order and interfaces of its own, so files joined together are simply several sections.
//
// Thread contract, errors, units: ring/savefile.h. Source: draft-ietf-opsawg-pcapng (2023).
#pragma once

#include <memory>

#include "ring/record_reader.h"
#include "ring/savefile.h"

namespace tcpeek::ring {

class PcapngFormat final : public SavefileFormat {
 public:
  // Longer blocks are damage: a wrong length must not make us wait for bytes that never come.
  static constexpr std::size_t kMaxBlockBytes = std::size_t{64} << 20;

  // Whether `window` is the beginning of a section.
  [[nodiscard]] static bool begins(std::span<const std::byte> window) noexcept;

  Parsed parse(std::span<const std::byte> window, std::size_t most,
               std::vector<SavedPacket>& packets) override;

 private:
  // How an interface's time stamps are read.
  struct Clock {
    std::uint64_t units_per_second = 1'000'000;
    std::int64_t offset_s = 0;
    std::uint32_t snap_length = 0;  // 0: no limit
  };
  struct PacketFields {
    std::uint32_t interface = 0;  // of the section
    std::uint64_t time = 0;       // in the interface's units
    std::uint32_t captured = 0;
    std::uint32_t wire_length = 0;
    std::size_t header = 0;  // bytes of the block's body before the packet's
  };

  // Reads one whole block; returns what is wrong with it, or null.
  const char* take_block(std::uint32_t type, std::span<const std::byte> body,
                         std::vector<SavedPacket>& packets);
  const char* take_interface(std::span<const std::byte> body);
  const char* take_option(std::uint16_t code, std::span<const std::byte> value, Clock& clock,
                          SavedInterface& interface) const;
  const char* take_packet(const PacketFields& packet, std::span<const std::byte> body,
                          std::vector<SavedPacket>& packets);
  const char* take_simple(std::span<const std::byte> body, std::vector<SavedPacket>& packets);

  RecordReader fields_{false};
  std::vector<Clock> clocks_;      // of this section's interfaces
  std::size_t section_first_ = 0;  // where they begin in interfaces_
  std::int64_t last_time_ns_ = 0;
};

}  // namespace tcpeek::ring
