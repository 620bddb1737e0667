// Writes lines to standard error or output without ever waiting for whoever reads them.
//
// How it works: lines gather in a buffer; flush() writes what the descriptor takes now. Terminals and
// pipes are opened once more, to be written without blocking; the descriptor given stays in the mode it
// is in, as it is shared with the shell. Where that cannot be, a pipe that poll() calls writable has room
// for PIPE_BUF bytes, unless another writer takes it first. When the reader is too slow the buffer
// fills to its bound and whole lines are dropped and counted; when there is nobody to read any more,
// likewise. Lines for the journal carry their severity.
//
// Thread contract: one thread's.
#pragma once

#include <syslog.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ring/descriptor.h"

namespace tcpeek::engine {

class LineWriter {
 public:
  static constexpr std::size_t kMaxBacklog = std::size_t{1} << 20;

  // The descriptor is not owned.
  explicit LineWriter(int descriptor);

  // A line of text, or several, newline added. Dropped and counted if the backlog is full. `severity`
  // is syslog(3)'s; only the journal gets to see it.
  void line(std::string_view text, int severity = LOG_INFO);
  // From now on line() waits for the reader when the backlog is full: for who can afford to wait.
  void wait_when_full() noexcept { patience_ = std::chrono::hours(24); }
  // What the descriptor takes at once, without newline and past the backlog: a terminal's status.
  void status(std::string_view text) noexcept;
  void flush() noexcept;
  // Waits for the reader until `patience` is over; for the last words.
  void flush_for(std::chrono::milliseconds patience) noexcept;

  [[nodiscard]] bool terminal() const noexcept { return terminal_; }
  [[nodiscard]] bool journal() const noexcept { return journal_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  void append(std::string_view text);
  [[nodiscard]] bool write_some(int wait_ms) noexcept;
  void drop_backlog() noexcept;

  ring::Descriptor reopened_;  // a terminal's or a pipe's
  int descriptor_;
  bool terminal_;
  bool journal_;
  bool in_line_ = false;  // what was dropped began with half a line written
  std::string backlog_;
  std::size_t written_ = 0;  // of backlog_
  std::uint64_t lost_ = 0;
  std::chrono::milliseconds patience_{0};
};

}  // namespace tcpeek::engine
