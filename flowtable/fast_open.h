// Whether a SYN has a TCP Fast Open option (RFC 7413 section 4.1.1): a request for a cookie, or a cookie.
//
// Options are read only where the header's length is not one of those that SYNs without it mostly have
// (Windows 32 bytes, Linux 40). So a cookie of less than eight bytes beside no timestamps may be missed.
//
// Thread contract: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "flowtable/bytes.h"
#include "flowtable/segment.h"
#include "flowtable/sending_print.h"

namespace tcpeek::flowtable {

// Of a SYN's header, of `length` bytes.
[[nodiscard]] constexpr bool has_unusual_options(std::size_t length) noexcept {
  constexpr std::uint32_t kUsual = 1U << 6 | 1U << 7 | 1U << 8 | 1U << 10;  // in words
  return length > kTcpOptionsAt && (kUsual >> (length / 4) & 1) == 0;
}

// The flags of a SYN, with fast_open as the options say; of a SYN/ACK as they are. `tcp` may hold less than
// the header. Not inlined, as hardly any segment needs it.
[[nodiscard, gnu::noinline]] inline std::uint8_t with_fast_open(std::uint8_t flags, Bytes tcp,
                                                                std::size_t length) noexcept {
  constexpr std::uint8_t kEnd = 0;
  constexpr std::uint8_t kNothing = 1;
  constexpr std::uint8_t kFastOpen = 34;
  if ((flags & tcp_flag::ack) != 0) return flags;
  const auto without = static_cast<std::uint8_t>(flags & ~tcp_flag::fast_open);
  const std::size_t end = std::min(tcp.size(), length);
  for (std::size_t at = kTcpOptionsAt; at + 1 < end;) {
    const std::uint8_t kind = byte_at(tcp, at);
    if (kind == kEnd) return without;
    if (kind == kFastOpen) return without | tcp_flag::fast_open;
    const std::size_t size = kind == kNothing ? 1 : byte_at(tcp, at + 1);
    if (size == 0 || (size == 1 && kind != kNothing)) return without;
    at += size;
  }
  return without;
}

}  // namespace tcpeek::flowtable
