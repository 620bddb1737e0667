#include "ring/pcap_format.h"

#include "ring/pcapng_format.h"

namespace tcpeek::ring {
namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::uint16_t kVersion = 2;
constexpr std::size_t kRecordHeader = 16;
constexpr std::int64_t kSecondNs = 1'000'000'000;
// Above it stand the length of a frame check sequence and its flag.
constexpr std::uint32_t kLinkTypeBits = 0xffff;

bool has_magic(std::span<const std::byte> window, bool swapped) noexcept {
  const std::uint32_t word = RecordReader(swapped).u32(window, 0);
  return word == kMicroseconds || word == kNanoseconds;
}

// Another file begins where a record should: it was joined to this one. Read as a record, it would be a
// packet with no bytes on the wire, or longer than any.
bool begins_file(std::span<const std::byte> record) noexcept {
  return has_magic(record, false) || has_magic(record, true) || PcapngFormat::begins(record);
}

}  // namespace

std::unique_ptr<PcapFormat> PcapFormat::recognise(std::span<const std::byte> window) {
  if (window.size() < sizeof(std::uint32_t)) return nullptr;
  for (const bool swapped : {false, true}) {
    if (!has_magic(window, swapped)) continue;
    const RecordReader fields(swapped);
    if (window.size() < kFileHeader) throw SavefileError("cut short within the file header");
    if (fields.u16(window, 4) != kVersion) {
      throw SavefileError("pcap of version " + std::to_string(fields.u16(window, 4)) +
                          "; tcpeek reads version 2");
    }
    std::unique_ptr<PcapFormat> format(
        new PcapFormat(swapped, fields.u32(window, 0) == kNanoseconds ? 1 : 1000));
    const auto link_type = static_cast<std::uint16_t>(fields.u32(window, 20) & kLinkTypeBits);
    format->interfaces_.push_back({.name = {}, .link_type = link_type, .number = 0});
    return format;
  }
  return nullptr;
}

bool PcapFormat::begins(std::span<const std::byte> window) noexcept {
  for (const bool swapped : {false, true}) {
    if (has_magic(window, swapped) && RecordReader(swapped).u16(window, 4) == kVersion) return true;
  }
  return false;
}

// A fraction of a second or more is no time: the packet then has the time of the one before it, or the
// start of its second if that is another one.
std::int64_t PcapFormat::time_of(std::span<const std::byte> record) noexcept {
  const std::int64_t second_ns = std::int64_t{fields_.u32(record, 0)} * kSecondNs;
  const std::int64_t fraction_ns = std::int64_t{fields_.u32(record, 4)} * tick_ns_;
  if (fraction_ns < kSecondNs) {
    last_time_ns_ = second_ns + fraction_ns;
  } else {
    ++damaged_times_;
    const bool same_second = last_time_ns_ / kSecondNs * kSecondNs == second_ns;
    if (!same_second) last_time_ns_ = second_ns;
  }
  return last_time_ns_;
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
    const std::uint32_t wire_length = fields_.u32(record, 12);
    if ((wire_length == 0 || captured > SavefileReader::kMaxPacketBytes) && begins_file(record)) {
      parsed.wanted = kFileHead;
      parsed.another_file = record.size() >= kFileHead;
      break;
    }
    if (captured > SavefileReader::kMaxPacketBytes) {
      parsed.damage = "a packet of more than 262144 bytes";
      break;
    }
    if (record.size() < kRecordHeader + captured) {
      parsed.wanted = kRecordHeader + captured;
      break;
    }
    packets.push_back({.bytes = record.subspan(kRecordHeader, captured),
                       .time_ns = time_of(record),
                       .wire_length = wire_length,
                       .interface = static_cast<std::uint32_t>(own_)});
    parsed.used += kRecordHeader + captured;
  }
  return parsed;
}

}  // namespace tcpeek::ring
