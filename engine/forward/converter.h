// From lines of WATCH to messages: in order, each event once or told in a gap.
//
// How it works: `done` is the last event that was dealt with. What comes again is passed over, and so is what
// the stream was found to have; numbers that are missing become a gap. With aggregates, successes are
// counted until flush(), and the point to resume from stays before the first that is counted. A batch of which only
// a part was stored is counted again to the same event, and the rest of it sent.
//
// Thread contract: of one thread; window, presence and counters outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/address_permutation.h"
#include "engine/forward/aggregate.h"
#include "engine/forward/counters.h"
#include "engine/forward/message_id.h"
#include "engine/forward/presence.h"
#include "engine/forward/watch_line.h"
#include "engine/forward/window.h"

namespace tcpeek::forward {

struct ConverterConfig {
  std::string host;
  std::string subject = "tcpeek.events";
  std::chrono::seconds aggregate{0};  // 0: everything singly
  std::optional<engine::AddressPermutation> redactor;
};

class Converter {
 public:
  using Time = std::chrono::system_clock::time_point;

  Converter(ConverterConfig config, Window& window, Presence& presence, Counters& counters);

  // The last event dealt with. Moving it to another boot sends what is counted.
  [[nodiscard]] const Position& done() const noexcept { return done_; }
  void move_to(const Position& position, Time now);

  // An event, or a gap where some are missing; a line that is neither does nothing. False: it is malformed.
  bool take(std::string_view line, Time now);
  bool take(std::string_view line, std::optional<WatchLine> parsed, Time now);
  // Sends what is counted, unless a batch that was begun before has to be ended first.
  void flush(Time now);

  // The gap that tells of the events of a message which the stream does not take. None: it is one.
  [[nodiscard]] std::optional<Message> gap_instead(const Message& message) const;

  // The token that stands for the host in subjects and ids.
  [[nodiscard]] const std::string& token() const noexcept { return token_; }

 private:
  void take_event(std::string_view line, const WatchLine& event, Time now);
  void take_outcome(std::string_view line, const WatchLine& event, Time now);
  void take_unkept(Range range, Time now);
  void send(std::string_view word, MessageId id, std::string payload);
  [[nodiscard]] Message gap(const std::string& boot, Range range) const;
  void send_batch(Time now);
  void advance(std::uint64_t seq, Time now);
  // Where to resume: before what is counted.
  [[nodiscard]] Position safe() const;

  const ConverterConfig config_;
  const std::string token_;
  const std::string host_member_;  // ,"host":"..."}
  Window& window_;
  Presence& presence_;
  Counters& counters_;
  Position done_;
  Aggregate aggregate_;
};

}  // namespace tcpeek::forward
