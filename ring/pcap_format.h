// The pcap format: a file header, then a header of 16 bytes before each packet.
//
// Thread contract, errors, units: ring/savefile.h. Source: draft-ietf-opsawg-pcap.
#pragma once

#include <memory>

#include "ring/record_reader.h"
#include "ring/savefile.h"

namespace tcpeek::ring {

class PcapFormat final : public SavefileFormat {
 public:
  static constexpr std::size_t kFileHeader = 24;

  // Null: another format. Throws SavefileError for an unsupported version.
  [[nodiscard]] static std::unique_ptr<PcapFormat> recognise(std::span<const std::byte> window);
  // Whether the first 8 bytes are those of a supported pcap file.
  [[nodiscard]] static bool begins(std::span<const std::byte> window) noexcept;

  Parsed parse(std::span<const std::byte> window, std::size_t most,
               std::vector<SavedPacket>& packets) override;

 private:
  PcapFormat(bool swapped, std::int64_t tick_ns) noexcept : fields_(swapped), tick_ns_(tick_ns) {}

  [[nodiscard]] std::int64_t time_of(std::span<const std::byte> record) noexcept;

  RecordReader fields_;
  std::int64_t tick_ns_;  // of a time stamp's fraction
  std::int64_t last_time_ns_ = 0;
  bool header_read_ = false;
};

}  // namespace tcpeek::ring
