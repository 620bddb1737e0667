// Events from tcpeek's socket: connects, finds out where to begin, hands lines to the converter, and connects again
// when tcpeek has gone.
//
// How it works: it asks for what follows the last event known. The first line says where tcpeek begins. If that is
// another boot, or later than what is needed, it asks again with the number that is. Nothing is read before
// it is known what the stream has: tcpeek keeps events meanwhile, as somebody watches.
//
// Thread contract: of one thread; converter, presence and the rest outlive it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/forward/backoff.h"
#include "engine/forward/converter.h"
#include "engine/forward/counters.h"
#include "engine/forward/presence.h"
#include "engine/forward/watch_socket.h"
#include "engine/forward/window.h"
#include "engine/output/log.h"

namespace tcpeek::forward {

class WatchSource {
 public:
  using Clock = std::chrono::steady_clock;

  // `resume`: where the events of an earlier run end. `singles`: see Presence::advanced().
  WatchSource(std::string path, const Position& resume, bool singles, Converter& converter,
              Window& window, const Presence& presence, Counters& counters, engine::Log& log);

  // Connects if it is time to, and takes what there is room for. `synced`: it is known what the stream has.
  void turn(Clock::time_point now, bool synced);

  // To be waited for; -1: none.
  [[nodiscard]] int descriptor() const noexcept { return socket_ ? socket_->descriptor() : -1; }
  // Whether it waits for more to read, not only for the end.
  [[nodiscard]] bool wants_input() const noexcept;
  // Whether there was more than one turn takes.
  [[nodiscard]] bool has_more() const noexcept { return more_; }

 private:
  // Where tcpeek begins.
  struct Greeting {
    std::string boot;
    std::uint64_t at = 0;
  };

  void connect(Clock::time_point now);
  void read(Clock::time_point now, bool synced);
  void end(Clock::time_point now);
  void take(std::string_view line);
  void greet(const WatchLine& line);
  void settle();
  [[nodiscard]] Position start_at(const Greeting& greeting) const;
  void lose(Clock::time_point now, const std::string& reason);

  const std::string path_;
  const bool singles_;
  Converter& converter_;
  Window& window_;
  const Presence& presence_;
  Counters& counters_;
  engine::Log& log_;
  Backoff backoff_;
  std::optional<WatchSocket> socket_;
  std::optional<Greeting> greeting_;
  std::optional<std::uint64_t> ask_from_;
  bool settled_ = false;  // this connection begins where it has to
  bool asked_again_ = false;
  bool more_ = false;
  std::string last_reason_;
  Clock::time_point next_try_;
};

}  // namespace tcpeek::forward
