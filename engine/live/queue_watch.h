// Judges accept queues: brings together what readers saw SYNs do (engine/pipeline/queue_signs.h) and what the
// kernel says, and adds it to a snapshot.
//
//   suspected   kFew attempts or more at a port were not answered in the last minute, no two of them more
//               than a minute apart, and the port has answered others
//   confirmed   within the last minute the port's listener was seen full, or dropped something in a second
//               in which the kernel's ListenOverflows grew
//   refuted     neither, though the kernel was asked every second since the first such attempt; or nobody
//               listens on the port
//   unknown     the kernel could not be asked, or not since then, or the port is not this host's
//
// A listener's drops alone are no proof: the kernel also counts those for want of memory, or where the SYN
// queue was full. ListenOverflows alone does not say which port. A port that is confirmed is told even if
// no SYN was seen.
//
// Bounded: kMostListeners with drops or a full queue in the last minute, Queues::kMost ports told.
//
// Thread contract: one thread. Times are monotonic.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "engine/live/kernel_queues.h"
#include "ipc/queue_stats.h"

namespace tcpeek::engine {

class QueueWatch {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::seconds kWindow{60};
  static constexpr std::uint64_t kFew = 2;
  static constexpr std::size_t kMostListeners = 256;

  // What the kernel says now; about once a second.
  void look(const KernelQueues& now, Clock::time_point at);

  // `queues` has what the readers saw; adds the rest. `wall`: the wall clock's time at `at`.
  void judge(ipc::Queues& queues, Clock::time_point at, std::chrono::nanoseconds wall) const;

 private:
  // A listener that has dropped something, or was full, in the last minute.
  struct Trouble {
    ring::Listener listener;
    std::array<std::uint32_t, kWindow.count()> overflows{};  // by second, round and round
    std::optional<Clock::time_point> seen_full;
    Clock::time_point last;
    [[nodiscard]] std::uint64_t overflows_in_all() const noexcept;
  };

  void turn(Clock::time_point at);
  void count(const ring::Listener& listener, const std::optional<std::uint64_t>& overflows,
             Clock::time_point at);
  [[nodiscard]] Trouble* trouble_of(const ring::Listener& listener);
  void judge_port(ipc::QueueStats& port, Clock::time_point asked_since) const;
  void add_unseen(ipc::Queues& queues) const;

  std::vector<ring::Listener> listeners_;      // as of the last look, by port and cookie
  std::map<std::uint64_t, Trouble> troubles_;  // by cookie
  std::optional<ListenCounters> first_;
  std::optional<ListenCounters> last_;
  bool listeners_known_ = false;
  std::optional<Clock::time_point> known_since_;  // asked every second, and answered, since
  std::int64_t second_ = 0;                       // the last look's
};

}  // namespace tcpeek::engine
