// Sees to it that what is in the window gets into the stream, once: connects, reads back what the stream has, sends
// the rest, takes acknowledgements; and when a connection was lost, a message refused or an acknowledgement is
// missing, begins with reading back again.
//
// Thread contract: of one thread. turn() may wait for the broker, Broker::kPatience for each call.
// Errors: none leave it but those of memory; what fails is logged, counted and tried again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/event_fd.h"
#include "engine/forward/backoff.h"
#include "engine/forward/broker.h"
#include "engine/forward/converter.h"
#include "engine/forward/counters.h"
#include "engine/forward/forward_options.h"
#include "engine/forward/presence.h"
#include "engine/forward/window.h"
#include "engine/output/log.h"

namespace tcpeek::forward {

class Delivery {
 public:
  using Clock = std::chrono::steady_clock;

  // `converter`: names the host, and makes the gaps. `stream_created`: of the stream that the window's progress
  // is of; 0: not known. `stops`: see Broker. What is passed by reference outlives it.
  Delivery(const ForwardOptions& options, const Converter& converter, std::int64_t stream_created,
           Window& window, Presence& presence, Counters& counters, engine::Log& log,
           const engine::EventFd& wake, std::function<bool()> stops);

  void turn(Clock::time_point now);
  // The same over the connection that there is: makes none.
  void drain(Clock::time_point now);
  [[nodiscard]] bool is_ready() const noexcept { return ready_; }
  // The first reading back has been done, and what it found is in `presence`.
  [[nodiscard]] bool has_synced() const noexcept { return synced_; }
  [[nodiscard]] std::int64_t stream_created() const noexcept { return stream_created_; }

 private:
  void take_acks(Clock::time_point now);
  void connect_and_sync();
  void sync();
  [[nodiscard]] StreamFacts find_stream();
  [[nodiscard]] std::vector<StoredMessage> read_back(const StreamFacts& facts);
  void publish();
  [[nodiscard]] bool tell_in_gap(std::uint64_t place, const std::string& reason);
  void give_up(Clock::time_point now, const std::string& reason);
  void stored(std::uint64_t sequence);
  [[nodiscard]] std::string with_last_error(std::string reason) const;

  const ForwardOptions& options_;
  const Converter& converter_;
  const std::string subjects_;
  std::int64_t stream_created_;
  Window& window_;
  Presence& presence_;
  Counters& counters_;
  engine::Log& log_;
  Broker broker_;
  Backoff backoff_;
  bool synced_ = false;
  bool ready_ = false;   // connected, and read back
  bool singly_ = false;  // as a message was refused: one on its way until one is accepted
  Clock::time_point next_try_;
  Clock::time_point last_sign_;  // of life: something was acknowledged or first sent
  std::vector<Ack> acks_;
  std::string last_reason_;
  Clock::time_point last_told_;
  std::optional<Clock::time_point> too_large_told_;
};

}  // namespace tcpeek::forward
