#include "ring/pcapng_format.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "ring/pcap_format.h"

namespace tcpeek::ring {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;  // the same in both byte orders
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kObsoletePacket = 2;
constexpr std::uint32_t kSimplePacket = 3;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;

constexpr std::size_t kBlockHead = 8;     // type and length
constexpr std::size_t kBlockFrame = 12;   // with the length at the end
constexpr std::size_t kSectionHead = 12;  // through the byte order

// Whether the section that begins with `block` is in the other byte order; nullopt: in neither.
std::optional<bool> swapped_order(Bytes block) noexcept {
  for (const bool swapped : {false, true}) {
    if (RecordReader(swapped).u32(block, kBlockHead) == kByteOrderMagic) return swapped;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> units_of(std::uint8_t resolution) noexcept {
  const unsigned exponent = resolution & 0x7fU;
  if ((resolution & 0x80U) != 0) {
    if (exponent > 63) return std::nullopt;
    return std::uint64_t{1} << exponent;
  }
  if (exponent > 19) return std::nullopt;
  std::uint64_t units = 1;
  for (unsigned i = 0; i < exponent; ++i) units *= 10;
  return units;
}

__extension__ using Wide = __int128;

// Nanoseconds since 1970, within half the range of 64 bits, so that sums do not overflow; else nullopt.
std::optional<std::int64_t> nanoseconds_of(Wide time, std::uint64_t units,
                                           std::int64_t offset_s) noexcept {
  constexpr Wide kSecond = 1'000'000'000;
  const Wide ns = time * kSecond / static_cast<Wide>(units) + offset_s * kSecond;
  if (ns > std::numeric_limits<std::int64_t>::max() / 2 ||
      ns < std::numeric_limits<std::int64_t>::min() / 2) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(ns);
}

// Some writers put negative numbers into the unsigned field: those are before 1970. They are taken for such
// where they would be out of range otherwise, as a fine clock needs all 64 bits for times of today.
std::optional<std::int64_t> nanoseconds(std::uint64_t time, std::uint64_t units,
                                        std::int64_t offset_s) noexcept {
  if (const auto ns = nanoseconds_of(time, units, offset_s)) return ns;
  return nanoseconds_of(static_cast<std::int64_t>(time), units, offset_s);
}

constexpr std::size_t padded(std::size_t length) noexcept {
  return (length + 3) / 4 * 4;
}

}  // namespace

bool PcapngFormat::begins(Bytes window) noexcept {
  return window.size() >= kSectionHead && RecordReader(false).u32(window, 0) == kSectionHeader &&
         swapped_order(window);
}

SavefileFormat::Parsed PcapngFormat::parse(Bytes window, std::size_t most,
                                           std::vector<SavedPacket>& packets) {
  Parsed parsed;
  while (packets.size() < most) {
    const Bytes block = window.subspan(parsed.used);
    if (block.size() < kSectionHead) {
      parsed.wanted = kSectionHead;
      break;
    }
    const std::uint32_t type = fields_.u32(block, 0);
    if (type == kSectionHeader) {
      const auto swapped = swapped_order(block);
      if (!swapped) return parsed.damage = "a section of unknown byte order", parsed;
      fields_ = RecordReader(*swapped);
    }
    // A pcap joined to this file: no block has such a type.
    if (type > kSectionHeader && PcapFormat::begins(block)) {
      parsed.wanted = kFileHead;
      parsed.another_file = block.size() >= kFileHead;
      break;
    }
    const std::size_t length = fields_.u32(block, 4);
    if (length < kBlockFrame || length % 4 != 0 || length > kMaxBlockBytes) {
      return parsed.damage = "a block's length makes no sense", parsed;
    }
    if (block.size() < length) {
      parsed.wanted = length;
      break;
    }
    if (fields_.u32(block, length - 4) != length) {
      return parsed.damage = "a block's two lengths differ", parsed;
    }
    parsed.damage = take_block(type, block.subspan(kBlockHead, length - kBlockFrame), packets);
    if (parsed.damage != nullptr) break;
    parsed.used += length;
  }
  return parsed;
}

const char* PcapngFormat::take_block(std::uint32_t type, Bytes body,
                                     std::vector<SavedPacket>& packets) {
  switch (type) {
    case kSectionHeader:
      section_first_ = interfaces_.size();
      clocks_.clear();
      return nullptr;
    case kInterface:
      return take_interface(body);
    case kSimplePacket:
      return take_simple(body, packets);
    case kEnhancedPacket:
    case kObsoletePacket: {
      if (body.size() < 20) return "a packet block is too short";
      const std::uint64_t time = std::uint64_t{fields_.u32(body, 4)} << 32 | fields_.u32(body, 8);
      return take_packet(
          {.interface = type == kEnhancedPacket ? fields_.u32(body, 0) : fields_.u16(body, 0),
           .time = time,
           .captured = fields_.u32(body, 12),
           .wire_length = fields_.u32(body, 16),
           .header = 20},
          body, packets);
    }
    default:
      return nullptr;
  }
}

const char* PcapngFormat::take_interface(Bytes body) {
  if (body.size() < 8) return "an interface block is too short";
  if (interfaces_.size() == kMaxInterfaces) return kTooManyInterfaces;
  SavedInterface interface;
  interface.link_type = fields_.u16(body, 0);
  interface.number = static_cast<std::uint32_t>(clocks_.size());
  Clock clock;
  clock.snap_length = fields_.u32(body, 4);
  for (Bytes options = body.subspan(8); options.size() >= 4;) {
    const std::uint16_t code = fields_.u16(options, 0);
    const std::size_t length = fields_.u16(options, 2);
    if (code == 0) break;
    if (options.size() - 4 < padded(length)) return "an interface's option is too long";
    if (const char* wrong = take_option(code, options.subspan(4, length), clock, interface)) {
      return wrong;
    }
    options = options.subspan(4 + padded(length));
  }
  interfaces_.push_back(std::move(interface));
  clocks_.push_back(clock);
  return nullptr;
}

const char* PcapngFormat::take_option(std::uint16_t code, Bytes value, Clock& clock,
                                      SavedInterface& interface) const {
  constexpr std::uint16_t kName = 2;
  constexpr std::uint16_t kResolution = 9;
  constexpr std::uint16_t kOffset = 14;
  constexpr std::size_t kLongestName = 64;
  if (code == kName) {
    const auto* text = reinterpret_cast<const char*>(value.data());
    const std::string_view name(text, std::min(value.size(), kLongestName));
    interface.name = name.substr(0, name.find('\0'));
  }
  if (code == kResolution && !value.empty()) {
    const auto units = units_of(std::to_integer<std::uint8_t>(value[0]));
    if (!units) return "an interface's clock is finer than 64 bits can count";
    clock.units_per_second = *units;
  }
  if (code == kOffset && value.size() >= 8) {
    clock.offset_s = static_cast<std::int64_t>(fields_.u64(value, 0));
  }
  return nullptr;
}

const char* PcapngFormat::take_packet(const PacketFields& packet, Bytes body,
                                      std::vector<SavedPacket>& packets) {
  if (packet.interface >= clocks_.size()) return "a packet of an interface that was not described";
  if (packet.captured > SavefileReader::kMaxPacketBytes) {
    return "a packet of more than 262144 bytes";
  }
  if (packet.captured > body.size() - packet.header) return "a packet longer than its block";
  const Clock& clock = clocks_[packet.interface];
  const auto time = nanoseconds(packet.time, clock.units_per_second, clock.offset_s);
  if (!time) return "a time too far from 1970 to be counted in nanoseconds";
  last_time_ns_ = *time;
  packets.push_back({.bytes = body.subspan(packet.header, packet.captured),
                     .time_ns = *time,
                     .wire_length = packet.wire_length,
                     .interface = static_cast<std::uint32_t>(section_first_ + packet.interface)});
  return nullptr;
}

const char* PcapngFormat::take_simple(Bytes body, std::vector<SavedPacket>& packets) {
  constexpr std::size_t kHeader = 4;
  if (body.size() < kHeader) return "a packet block is too short";
  if (clocks_.empty()) return "a packet of an interface that was not described";
  const std::uint32_t wire_length = fields_.u32(body, 0);
  std::size_t captured = wire_length;
  if (clocks_[0].snap_length != 0) {
    captured = std::min<std::size_t>(captured, clocks_[0].snap_length);
  }
  if (captured > SavefileReader::kMaxPacketBytes) return "a packet of more than 262144 bytes";
  if (captured > body.size() - kHeader) return "a packet longer than its block";
  packets.push_back({.bytes = body.subspan(kHeader, captured),
                     .time_ns = last_time_ns_,
                     .wire_length = wire_length,
                     .interface = static_cast<std::uint32_t>(section_first_)});
  return nullptr;
}

}  // namespace tcpeek::ring
