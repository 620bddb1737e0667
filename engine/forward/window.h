// Messages on their way: from when they are made until the stream has acknowledged them, in order.
//
// How it works: messages have places, numbered from 0 on. Acknowledgements come in any order; what is
// acknowledged leaves at the front, and takes the point to resume from with it. After a connection was lost
// nobody knows which of those sent were stored: rewind() makes them unsent, and what the stream is found to
// have is acknowledged by its id.
//
// Where to resume goes with a stream sequence after which everything of later events is stored: a
// message cannot have been stored before what was known to be stored when it was first sent. That does not hold for
// what an earlier run has sent: until all of that is behind, the sequence stays where that run left it.
//
// Thread contract: of one thread.
// Bounds: is_full() when there are `messages` or `bytes`; add() takes them all the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/forward/message.h"

namespace tcpeek::forward {

struct WindowLimits {
  std::size_t messages = 8192;
  std::size_t bytes = std::size_t{32} << 20;
};

// What is safe to write down.
struct Progress {
  Position position;
  std::uint64_t stored_after =
      0;  // stream sequence: messages of events after `position` have greater ones

  friend bool operator==(const Progress&, const Progress&) = default;
};

class Window {
 public:
  struct Sending {
    std::uint64_t place;
    const Message& message;
  };

  explicit Window(WindowLimits limits, Progress progress = {})
      : limits_(limits),
        progress_(std::move(progress)),
        newest_stored_(progress_.stored_after),
        held_at_(progress_.stored_after) {}

  void add(Message message);
  // All events up to `position` are done with, without a message of their own.
  void pass(const Position& position);

  // The next one to send, and marks it sent. Valid until the next call.
  [[nodiscard]] std::optional<Sending> send_next();
  // Stored, at that stream sequence. False: it is not waited for.
  bool acknowledge(std::uint64_t place, std::uint64_t stored_at);
  bool acknowledge(std::string_view id, std::uint64_t stored_at);
  // What waits at that place; none: nothing does.
  [[nodiscard]] const Message* waiting(std::uint64_t place) const noexcept;
  // Another message takes its place, to be sent instead. Precondition: waiting(place).
  void replace(std::uint64_t place, Message message);
  // All that is not acknowledged is to be sent again.
  void rewind() noexcept;
  // Nothing that an earlier run has sent is of later events than that.
  void release_after(const Position& position);
  // The stream is another one, or not known: nothing that is not stored yet can be up to that sequence.
  void restart_sequences(std::uint64_t after) noexcept;

  [[nodiscard]] const Progress& progress() const noexcept { return progress_; }
  // From where on messages of this window may be stored.
  [[nodiscard]] std::uint64_t stored_after() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] bool is_full() const noexcept {
    return entries_.size() >= limits_.messages || bytes_ >= limits_.bytes;
  }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] bool has_unsent() const noexcept { return unsent_ < first_ + entries_.size(); }

 private:
  struct Entry {
    Message message;
    std::optional<std::uint64_t> stored_after;  // once it was sent
    bool acknowledged = false;
    bool in_flight = false;
  };

  void settle(std::uint64_t place, std::uint64_t stored_at);
  void drop_acknowledged();
  void reach(Position position);

  const WindowLimits limits_;
  Progress progress_;
  std::deque<Entry> entries_;
  std::unordered_map<std::string_view, std::uint64_t> places_;  // by id; the entries keep the text
  std::uint64_t first_ = 0;                                     // place of the front
  std::uint64_t unsent_ = 0;  // place: before it nothing is to be sent
  std::uint64_t newest_stored_ = 0;
  std::optional<std::uint64_t> held_at_;
  Position release_after_;
  std::size_t bytes_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace tcpeek::forward
