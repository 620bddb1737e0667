// The clock of a replay: packet time, and when the tables are due for a sweep.
//
// Packets carry the time. Mostly it advances; it steps back where a clock was set back or files are out of
// order, and it leaps forward where days are missing. Two rules:
// - A leap forward of more than a day: everything pending has ended by then, and is swept before the
//   leap is taken, because the table's clock wraps after some weeks. So advance() stops at each leap.
// - A step back of more than a second sets the time back. It ends nothing: attempts begun after it are as
//   old as their packets say. Smaller steps are just packets of several interfaces out of order.
// Deadlines come from packets, so a sweep only decides how soon a timeout is shown.
//
// Thread contract: plain value; reads no clock itself.
// Units: packet time in nanoseconds since 1970; wall time of the steady clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "flowtable/time.h"
#include "ring/savefile.h"

namespace tcpeek::engine {

class ReplayClock {
 public:
  using PacketTime = flowtable::PacketTime;
  using WallTime = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::hours kLeap{24};
  static constexpr std::chrono::seconds kStepBack{1};
  // Sweeping the whole table takes some milliseconds: this seldom, it does not matter.
  static constexpr std::uint64_t kPacketsPerSweep = 1'048'576;
  static constexpr std::chrono::seconds kSweepInterval{1};
  // By this long after the last packet before a leap, everything pending has ended.
  static constexpr std::chrono::hours kAllEnded{2};

  explicit ReplayClock(WallTime start) noexcept : swept_on_(start) {}

  // Packets between two leaps, to be tracked together.
  struct Stretch {
    std::size_t packets = 0;  // from the front
    // Set if a leap forward follows: after these packets, sweep up to this time.
    std::optional<PacketTime> sweep_by;
  };
  // Advances through `packets`, at least one, up to the next leap. If a leap follows, the time is already
  // that after it.
  Stretch advance(std::span<const ring::SavedPacket> packets) noexcept;

  // Whether it is time to look for timeouts, with `pending` attempts in tables of this capacity.
  [[nodiscard]] bool sweep_is_due(std::uint64_t pending, std::uint64_t capacity,
                                  WallTime now) const noexcept;
  // Call when all tables have been swept.
  void swept(WallTime now) noexcept;

  [[nodiscard]] std::uint64_t packets() const noexcept { return packets_; }
  // Time of the last packet read, ignoring small disorder. 0 before the first packet, like the next two.
  [[nodiscard]] PacketTime now() const noexcept { return now_; }
  // The earliest and the latest time of any packet, whatever their order.
  [[nodiscard]] PacketTime earliest() const noexcept { return earliest_; }
  [[nodiscard]] PacketTime latest() const noexcept { return latest_; }

 private:
  void start(PacketTime time) noexcept;
  void go_to(PacketTime time) noexcept;

  std::uint64_t packets_ = 0;
  bool started_ = false;
  PacketTime now_{};
  PacketTime earliest_{};
  PacketTime latest_{};
  PacketTime swept_at_{};
  std::uint64_t packets_at_sweep_ = 0;
  WallTime swept_on_;
};

}  // namespace tcpeek::engine
