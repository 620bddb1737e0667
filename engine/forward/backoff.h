// How long to wait before the next attempt: twice as long each time up to a limit, and a random half of it left
// away, so that a thousand forwarders do not come back to a broker at the same moment.
//
// Thread contract: of one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace tcpeek::forward {

class Backoff {
 public:
  using Duration = std::chrono::milliseconds;

  Backoff(Duration first, Duration most, unsigned seed)
      : first_(first), most_(most), next_(first), random_(seed) {}

  // Between half and all of what is due, which then doubles.
  [[nodiscard]] Duration next() {
    std::uniform_int_distribution<Duration::rep> wait(next_.count() / 2, next_.count());
    next_ = std::min(next_ * 2, most_);
    return Duration(wait(random_));
  }
  void reset() noexcept { next_ = first_; }

 private:
  Duration first_;
  Duration most_;
  Duration next_;
  std::minstd_rand random_;
};

}  // namespace tcpeek::forward
