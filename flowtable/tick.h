// The flow table's own coarse time, in which it keeps deadlines.
//
// Thread contract: plain values.
// Units: 2^21 ns since the packet clock's epoch, modulo 2^31 (52 days).
#pragma once

#include <cstdint>

#include "flowtable/time.h"

namespace tcpeek::flowtable {

// A moment in the table's own coarse time, modulo 2^31.
struct Tick {
  std::uint32_t value = 0;

  static constexpr int kShift = 21;  // 2.1 ms
  static constexpr std::uint32_t kMask = 0x7fff'ffff;

  // The first tick at or after `t`, and the last one at or before it.
  [[nodiscard]] static Tick not_before(PacketTime t) noexcept {
    const std::int64_t ns = t.time_since_epoch().count() + ((std::int64_t{1} << kShift) - 1);
    return {static_cast<std::uint32_t>(ns >> kShift) & kMask};
  }
  [[nodiscard]] static Tick at(PacketTime t) noexcept {
    return {static_cast<std::uint32_t>(t.time_since_epoch().count() >> kShift) & kMask};
  }
  [[nodiscard]] bool reached_at(Tick now) const noexcept {
    return ((now.value - value) & kMask) <= kMask / 2;
  }
};

}  // namespace tcpeek::flowtable
