#include "ring/pcap_format.h"

namespace tcpeek::ring {
namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::uint32_t kKuznetzov = 0xa1b2cd34;
constexpr std::size_t kRecordHeader = 16;
// Above it stand the length of a frame check sequence and its flag.
constexpr std::uint32_t kLinkTypeBits = 0xffff;

}  // namespace

std::unique_ptr<PcapFormat> PcapFormat::recognise(std::span<const std::byte> window) {
  if (window.size() < sizeof(std::uint32_t)) return nullptr;
  for (const bool swapped : {false, true}) {
    const RecordReader fields(swapped);
    const std::uint32_t magic = fields.u32(window, 0);
    if (magic == kKuznetzov)
      throw SavefileError("is of the 'modified' pcap kind, which is not read");
    if (magic != kMicroseconds && magic != kNanoseconds) continue;
    if (window.size() < kFileHeader) throw SavefileError("ends within the file header");
    if (fields.u16(window, 4) != 2) {
      throw SavefileError("is pcap of version " + std::to_string(fields.u16(window, 4)) +
                          ", version 2 is read");
    }
    std::unique_ptr<PcapFormat> format(new PcapFormat(swapped, magic == kNanoseconds ? 1 : 1000));
    const auto link_type = static_cast<std::uint16_t>(fields.u32(window, 20) & kLinkTypeBits);
    format->interfaces_.push_back({.name = {}, .link_type = link_type, .number = 0});
    return format;
  }
  return nullptr;
}

SavefileFormat::Parsed PcapFormat::parse(std::span<const std::byte> window, std::size_t most,
                                         std::vector<SavedPacket>& packets) {
  Parsed parsed;
  if (!header_read_) {
    header_read_ = true;
    parsed.used = kFileHeader;
  }
  while (packets.size() < most) {
    const auto record = window.subspan(parsed.used);
    if (record.size() < kRecordHeader) {
      parsed.wanted = kRecordHeader;
      break;
    }
    const std::size_t captured = fields_.u32(record, 8);
    if (captured > SavefileReader::kMaxPacketBytes) {
      parsed.damage = "a packet of more than 262144 bytes";
      break;
    }
    if (record.size() < kRecordHeader + captured) {
      parsed.wanted = kRecordHeader + captured;
      break;
    }
    packets.push_back({.bytes = record.subspan(kRecordHeader, captured),
                       .time_ns = std::int64_t{fields_.u32(record, 0)} * 1'000'000'000 +
                                  fields_.u32(record, 4) * tick_ns_,
                       .wire_length = fields_.u32(record, 12),
                       .interface = 0});
    parsed.used += kRecordHeader + captured;
  }
  return parsed;
}

}  // namespace tcpeek::ring
