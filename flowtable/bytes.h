// Reading big-endian fields from bytes whose length was checked before.
//
// Thread contract: pure functions.
// Precondition: offset + size of the field <= bytes.size().
#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tcpeek::flowtable {

using Bytes = std::span<const std::byte>;

[[nodiscard]] inline std::uint8_t byte_at(Bytes bytes, std::size_t offset) noexcept {
  assert(offset < bytes.size());
  return std::to_integer<std::uint8_t>(bytes[offset]);
}

[[nodiscard]] inline std::uint16_t u16_at(Bytes bytes, std::size_t offset) noexcept {
  assert(offset + 2 <= bytes.size());
  std::uint16_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return std::endian::native == std::endian::little ? __builtin_bswap16(value) : value;
}

[[nodiscard]] inline std::uint32_t u24_at(Bytes bytes, std::size_t offset) noexcept {
  return std::uint32_t{u16_at(bytes, offset)} << 8 | byte_at(bytes, offset + 2);
}

[[nodiscard]] inline std::uint32_t u32_at(Bytes bytes, std::size_t offset) noexcept {
  assert(offset + 4 <= bytes.size());
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}

}  // namespace tcpeek::flowtable
