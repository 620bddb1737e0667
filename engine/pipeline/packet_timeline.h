// Converts the wall-clock stamps of live packets to times that clock steps do not affect.
//
// The kernel stamps packets with CLOCK_REALTIME, which an operator or NTP may step either way;
// timeouts and durations must not change with it. The tracker's time is CLOCK_MONOTONIC shifted once, at
// the start, to agree with the wall clock. A stamp is converted by the difference between the two
// clocks; that difference is checked before packets are read, and a change beyond kStep is a clock
// step. Stamps taken before a step and read after it lie before the last check that saw no step, or in
// the future, where no later stamp can lie: they are converted by the difference before the step. What
// still lies in the future is at most kStep later than now.
//
// Thread contract: one timeline per reader; any thread may call read_clocks().
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "flowtable/time.h"

namespace tcpeek::engine {

struct ClockReading {
  std::chrono::nanoseconds wall{0};
  std::chrono::nanoseconds monotonic{0};
};

// Both clocks at one moment: a thread preempted in between would see a step that never happened.
// `read` reads one clock.
template <typename Read>
[[nodiscard]] ClockReading read_together(Read&& read) noexcept {
  constexpr std::chrono::milliseconds kTogether{1};
  constexpr int kTries = 5;
  std::chrono::nanoseconds before = read(CLOCK_MONOTONIC);
  for (int tries = 1;; ++tries) {
    const std::chrono::nanoseconds wall = read(CLOCK_REALTIME);
    const std::chrono::nanoseconds after = read(CLOCK_MONOTONIC);
    if (after - before <= kTogether || tries == kTries) return {wall, after};
    before = after;
  }
}

[[nodiscard]] inline ClockReading read_clocks() noexcept {
  return read_together([](clockid_t id) {
    timespec t{};
    static_cast<void>(::clock_gettime(id, &t));
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  });
}

class PacketTimeline {
 public:
  // The readers of one program share the reading taken at start.
  explicit PacketTimeline(const ClockReading& start) noexcept
      : base_(start.wall - start.monotonic),
        difference_(base_),
        before_step_(base_),
        unstepped_(start.monotonic),
        now_(start.monotonic) {}

  // Checks both clocks; call it before reading what has been captured.
  void observe(const ClockReading& now) noexcept {
    const auto difference = now.wall - now.monotonic;
    if (std::chrono::abs(difference - difference_) > kStep) {
      before_step_ = std::exchange(difference_, difference);
      unstepped_ = now_;
    }
    now_ = now.monotonic;
  }

  // Whether the stamp is later than a check so long ago allows for: a step, or the thread was held up since. Another
  // check, observe(), tells which.
  [[nodiscard]] bool is_ahead(std::chrono::nanoseconds stamp) const noexcept {
    return stamp - difference_ > now_ + kStep;
  }

  // What has not been read yet was captured after `monotonic`: so is any step that its stamps may have seen.
  // For a reader that has slept; followed by observe().
  void captured_nothing_until(std::chrono::nanoseconds monotonic) noexcept {
    now_ = std::max(now_, monotonic);
  }

  // The time of a moment of the monotonic clock.
  [[nodiscard]] flowtable::PacketTime of(std::chrono::nanoseconds monotonic) const noexcept {
    return flowtable::PacketTime(monotonic + base_);
  }

  // When observe() was last called.
  [[nodiscard]] flowtable::PacketTime now() const noexcept {
    return flowtable::PacketTime(now_ + base_);
  }

  [[nodiscard]] flowtable::PacketTime at(std::chrono::nanoseconds stamp) const noexcept {
    auto monotonic = stamp - difference_;
    const bool from_before = monotonic < unstepped_ || monotonic > now_ + kStep;
    if (from_before) [[unlikely]]
      monotonic = stamp - before_step_;
    return flowtable::PacketTime(std::min(monotonic, now_ + kStep) + base_);
  }

  // A tracker time as wall-clock time, for printing.
  [[nodiscard]] std::chrono::nanoseconds wall(flowtable::PacketTime time) const noexcept {
    return time.time_since_epoch() - base_ + difference_;
  }

 private:
  // Slewing moves both clocks alike; what differs by more is a step, even a leap second's.
  static constexpr std::chrono::milliseconds kStep{100};

  std::chrono::nanoseconds base_;
  std::chrono::nanoseconds difference_;
  std::chrono::nanoseconds before_step_;  // the difference before the last step
  std::chrono::nanoseconds unstepped_;    // the last check before that step was noticed
  std::chrono::nanoseconds now_;
};

}  // namespace tcpeek::engine
