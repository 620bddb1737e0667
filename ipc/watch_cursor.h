// Where one watcher is in the log of events, and what it is sent next. There is no buffer for each
// watcher: all read the one ring, each at its own pace, and what has left the ring before a slow one came
// to it is told as a gap in its place.
//
// What a watcher is sent, a line each: first how far events had come when it began, or where it resumes;
// then every event it asked for, in the order of the numbers; a gap where some are missing. One that
// asked for some of the events only is told each second how far it is, so that it can resume from
// there and knows that nothing of its own was missed.
//
// Thread contract: of one thread; the log outlives it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/event_log.h"

namespace tcpeek::ipc {

struct WatchRequest {
  EventKinds kinds = EventKinds::all();  // gaps are told in any case
  std::optional<std::string> filter;
  std::optional<std::uint64_t> from;  // the first event wanted; none: those to come

  [[nodiscard]] bool wants_all() const noexcept { return kinds == EventKinds::all() && !filter; }
  friend bool operator==(const WatchRequest&, const WatchRequest&) = default;
};

class WatchCursor {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

  // One that resumes after a number that was never given (of an earlier boot) is told all that is kept.
  WatchCursor(const EventLog& log, WatchRequest request);

  // Appends lines until the piece has kPieceBytes or there is no more.
  void fill(std::string& piece);
  // How far it is, once it has been told all there is.
  void tell_how_far() noexcept { how_far_is_due_ = !request_.wants_all(); }

 private:
  [[nodiscard]] bool wants(const Event& event) const noexcept;

  const EventLog& log_;
  const WatchRequest request_;
  std::uint64_t next_;  // the first number it has not been told about
  bool begun_ = false;
  bool how_far_is_due_ = false;
};

}  // namespace tcpeek::ipc
