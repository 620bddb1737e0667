// What tells two sendings of a SYN apart from copies of one: IP identification and TCP timestamp, mixed
// into eight bits.
//
// Thread contract: pure function. Source: RFC 9293 section 3.1 (options), RFC 7323 section 3.2.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "flowtable/bytes.h"

namespace tcpeek::flowtable {

inline constexpr std::size_t kTcpOptionsAt = 20;

// The timestamp value of a TCP header of `length` bytes, of which `tcp` may hold fewer. Not inlined, so
// that segments without options do not pay for its registers.
[[nodiscard, gnu::noinline]] inline std::optional<std::uint32_t> timestamp_value(
    Bytes tcp, std::size_t length) noexcept {
  constexpr std::uint8_t kEnd = 0;
  constexpr std::uint8_t kNothing = 1;
  constexpr std::uint8_t kTimestamps = 8;
  const std::size_t end = std::min(tcp.size(), length);
  for (std::size_t at = kTcpOptionsAt; at + 1 < end;) {
    const std::uint8_t kind = byte_at(tcp, at);
    if (kind == kEnd) return std::nullopt;
    if (kind == kNothing) {
      ++at;
      continue;
    }
    if (kind == kTimestamps)
      return at + 6 <= end ? std::optional(u32_at(tcp, at + 2)) : std::nullopt;
    const std::size_t size = byte_at(tcp, at + 1);
    if (size < 2) return std::nullopt;
    at += size;
  }
  return std::nullopt;
}

[[nodiscard]] inline std::uint8_t sending_print(std::uint16_t identification, Bytes tcp,
                                                std::size_t length) noexcept {
  const auto value = length > kTcpOptionsAt ? timestamp_value(tcp, length) : std::nullopt;
  // By the golden ratio, numbers less than a hundred apart, or as far as a second is, never agree.
  const std::uint32_t mixed = (identification + (value ? *value + 1 : 0)) * 0x9e37'79b1U;
  return static_cast<std::uint8_t>(mixed >> 24);
}

}  // namespace tcpeek::flowtable
