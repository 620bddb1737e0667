// Events in the order of their numbers: the one place that numbers them, and a bounded ring of those that
// watchers may still ask for.
//
// How it works: a number belongs to a `boot`, drawn at the start; numbers begin with 1 and have no holes.
// An event is formatted once, with the stamp it is about to get, and kept only if asked to, for watchers.
// When the ring is full the oldest events go.
//
// Thread contract: of one thread.
// Invariant: the events kept are those from first() to next() - 1, without a hole.
// Bounds: EventLimits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/event_kind.h"

namespace tcpeek::ipc {

// What makes an event known for good.
struct EventStamp {
  std::string_view boot;
  std::uint64_t seq = 0;
};

// The names of the filters that an event counts in, and the same as a JSON array; shared, as few
// combinations are many events'.
class EventFilters {
 public:
  explicit EventFilters(std::vector<std::string> names);

  [[nodiscard]] bool has(std::string_view name) const noexcept;
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  [[nodiscard]] const std::string& json() const noexcept { return json_; }

 private:
  std::vector<std::string> names_;
  std::string json_;
};
using SharedFilters = std::shared_ptr<const EventFilters>;

[[nodiscard]] SharedFilters filters_named(std::vector<std::string> names);

struct Event {
  EventKind kind = EventKind::gap;
  SharedFilters filters;  // none: it concerns all of them
  std::string line;       // without a newline
};

struct EventLimits {
  std::size_t events = 65'536;
  std::size_t bytes = std::size_t{32} << 20;  // of their lines
};

class EventLog {
 public:
  explicit EventLog(std::string boot, EventLimits limits = {})
      : boot_(std::move(boot)), limits_(limits) {}

  [[nodiscard]] const std::string& boot() const noexcept { return boot_; }

  // Whether events are kept from now on. Those kept are forgotten when they no longer are.
  void keep(bool keep);
  [[nodiscard]] bool keeping() const noexcept { return keeping_; }

  // Of the next event.
  [[nodiscard]] EventStamp stamp() const noexcept { return {boot_, next_}; }
  // An event with that stamp.
  void add(Event event);
  // An event with that stamp that nobody formats. Precondition: none is kept.
  void skip() noexcept { ++next_; }

  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
  // The oldest that is kept; next() if none is.
  [[nodiscard]] std::uint64_t first() const noexcept { return next_ - events_.size(); }
  // Precondition: first() <= seq < next().
  [[nodiscard]] const Event& at(std::uint64_t seq) const noexcept {
    return events_[static_cast<std::size_t>(seq - first())];
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  const std::string boot_;
  const EventLimits limits_;
  std::uint64_t next_ = 1;
  bool keeping_ = false;
  std::deque<Event> events_;
  std::size_t bytes_ = 0;
};

}  // namespace tcpeek::ipc
