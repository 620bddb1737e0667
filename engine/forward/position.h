// How far events have been forwarded: a number of tcpeek's, and the boot that it belongs to.
//
// Thread contract: a plain value.
#pragma once

#include <cstdint>
#include <string>

namespace tcpeek::forward {

struct Position {
  std::string boot;       // 16 hexadecimal digits; empty: nothing is known yet
  std::uint64_t seq = 0;  // all events up to this one are in the stream, or told as a gap

  friend bool operator==(const Position&, const Position&) = default;
};

}  // namespace tcpeek::forward
