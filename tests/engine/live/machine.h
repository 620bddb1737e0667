// A machine whose clocks the test moves, and whose wall clock it steps.
#pragma once

#include <chrono>

#include "engine/pipeline/packet_timeline.h"

namespace tcpeek::engine::test {

inline constexpr std::chrono::nanoseconds kWall =
    std::chrono::seconds(1'700'000'000) + std::chrono::nanoseconds(123'456'789);
inline constexpr std::chrono::nanoseconds kMonotonic =
    std::chrono::seconds(5'000) + std::chrono::nanoseconds(7);

class Machine {
 public:
  void pass(std::chrono::nanoseconds time) { elapsed_ += time; }
  void step(std::chrono::nanoseconds by) { stepped_ += by; }

  [[nodiscard]] ClockReading read() const {
    return {kWall + elapsed_ + stepped_, kMonotonic + elapsed_};
  }
  // What the kernel would stamp on a packet now.
  [[nodiscard]] std::chrono::nanoseconds stamp() const { return read().wall; }
  // The tracker's time of now, by its definition.
  [[nodiscard]] flowtable::PacketTime truth() const {
    return flowtable::PacketTime(kWall + elapsed_);
  }

 private:
  std::chrono::nanoseconds elapsed_{0};
  std::chrono::nanoseconds stepped_{0};
};

}  // namespace tcpeek::engine::test
