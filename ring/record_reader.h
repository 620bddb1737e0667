// Fields of a capture file in the byte order that the file was written in.
//
// Thread contract: plain value.
// Precondition: offset + size of the field <= bytes.size().
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tcpeek::ring {

class RecordReader {
 public:
  explicit RecordReader(bool swapped) noexcept : swapped_(swapped) {}

  [[nodiscard]] std::uint16_t u16(std::span<const std::byte> bytes,
                                  std::size_t offset) const noexcept {
    const auto value = load<std::uint16_t>(bytes, offset);
    return swapped_ ? __builtin_bswap16(value) : value;
  }
  [[nodiscard]] std::uint32_t u32(std::span<const std::byte> bytes,
                                  std::size_t offset) const noexcept {
    const auto value = load<std::uint32_t>(bytes, offset);
    return swapped_ ? __builtin_bswap32(value) : value;
  }
  [[nodiscard]] std::uint64_t u64(std::span<const std::byte> bytes,
                                  std::size_t offset) const noexcept {
    const auto value = load<std::uint64_t>(bytes, offset);
    return swapped_ ? __builtin_bswap64(value) : value;
  }

 private:
  template <class Word>
  static Word load(std::span<const std::byte> bytes, std::size_t offset) noexcept {
    assert(offset + sizeof(Word) <= bytes.size());
    Word value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }

  bool swapped_;
};

}  // namespace tcpeek::ring
