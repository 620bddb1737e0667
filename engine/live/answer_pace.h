// When every reader has to answer, whether it has anything to tell or not: to know that all of them are alive.
//
// Asking wakes a reader that sleeps. So readers are asked every 5 s, and up to 10 s with many of them, to keep an idle
// process below five wakeups a second; always twice within the service manager's watchdog time, as
// sd_watchdog_enabled(3) recommends, which with more than 30 readers may be more wakeups.
//
// Thread contract: a plain value, used by one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

namespace tcpeek::engine {

class AnswerPace {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kShortest{5};
  static constexpr std::chrono::seconds kLongest{10};

  AnswerPace(std::size_t readers, std::optional<std::chrono::microseconds> watchdog)
      : interval_(interval(readers, watchdog)) {}

  // Whether it is time again, by a look that comes once a second.
  [[nodiscard]] bool due(Clock::time_point now) noexcept {
    if (now < next_) return false;
    next_ = now + interval_;
    return true;
  }

  [[nodiscard]] static Clock::duration interval(
      std::size_t readers, std::optional<std::chrono::microseconds> watchdog) noexcept {
    // Three wakeups a second, besides that for the look.
    constexpr std::size_t kReadersInASecond = 3;
    // Looks are a second apart, and a little late now and then.
    constexpr std::chrono::milliseconds kLate{500};
    const auto by_readers = std::chrono::seconds(
        std::clamp<std::size_t>((readers + kReadersInASecond - 1) / kReadersInASecond,
                                kShortest.count(), kLongest.count()));
    Clock::duration chosen = by_readers;
    if (watchdog) chosen = std::min<Clock::duration>(chosen, *watchdog / 2);
    return std::max<Clock::duration>(chosen - kLate, Clock::duration::zero());
  }

 private:
  Clock::duration interval_;
  Clock::time_point next_;
};

}  // namespace tcpeek::engine
