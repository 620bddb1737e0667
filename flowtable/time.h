// Packet time: nanoseconds on the capture's own clock.
//
// There is no now() here: time is data that comes in with segments and with calls, so that attempts in
// a capture file expire by its own clock and no test waits. Live, the engine passes packet times
// without wall-clock steps (engine/pipeline/packet_timeline.h).
#pragma once

#include <chrono>
#include <cstdint>

namespace tcpeek::flowtable {

struct PacketClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<PacketClock, duration>;
  static constexpr bool is_steady = false;
};

using PacketTime = PacketClock::time_point;

}  // namespace tcpeek::flowtable
