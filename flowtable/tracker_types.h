// A tracker's settings, and what it counts besides outcomes.
//
// Thread contract: plain values.
#pragma once

#include <chrono>
#include <cstdint>

#include "flowtable/ignored.h"
#include "flowtable/key_hash.h"
#include "flowtable/page_array.h"

namespace tcpeek::flowtable {

struct TrackerConfig {
  std::uint64_t capacity = 1'000'000;  // pending attempts
  std::chrono::seconds timeout{60};
  std::chrono::seconds remember{60};
  std::chrono::microseconds copy_window{2000};
  KeyHash::Secret secret{};
  TableMemory memory = TableMemory::at_once;
};

struct TrackerCounts {
  std::uint64_t used = 0;  // segments that moved or repeated an attempt
  std::uint64_t syn_copies = 0;
  std::uint64_t synack_copies = 0;
  std::uint64_t late_syns = 0;
  std::uint64_t stray_syns = 0;  // candidates that turned out to be nothing
  IgnoredCounts ignored;
};

}  // namespace tcpeek::flowtable
