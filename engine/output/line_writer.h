// Writes lines to standard error or output without ever waiting for their reader, unless asked to.
//
// How it works: lines gather in a buffer; flush() writes what the descriptor takes now. Terminals and
// pipes are opened a second time, to be written without blocking; the descriptor given keeps its mode, as
// it is shared with the shell. Where that is impossible, a pipe that poll() calls writable has room for
// PIPE_BUF bytes, unless another writer takes it first. When the reader is too slow the buffer fills to
// its bound, and whole lines are dropped and counted; the same when the reader is gone. Lines for the
// journal carry their severity.
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
  // For a program that can afford it: from now on line() waits for the reader when the backlog is full.
  // When `interrupt`, a descriptor, becomes readable, the waiting is over; -1: nothing interrupts.
  void wait_when_full(int interrupt) noexcept {
    waits_ = true;
    interrupt_ = interrupt;
  }
  // What the descriptor takes at once, without newline and past the backlog: a terminal's status.
  void status(std::string_view text) noexcept;
  void flush() noexcept;
  // Waits for the reader to take everything, for so long at most.
  void flush_for(std::chrono::milliseconds timeout) noexcept;
  // The same as long as line() would wait, and for `grace` once that was interrupted.
  void flush_patiently(std::chrono::milliseconds grace = {}) noexcept;

  [[nodiscard]] bool terminal() const noexcept { return terminal_; }
  [[nodiscard]] bool journal() const noexcept { return journal_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  void append(std::string_view text);
  void flush_until(std::chrono::steady_clock::time_point deadline, int interrupt) noexcept;
  [[nodiscard]] bool write_some(int wait_ms, int interrupt) noexcept;
  void drop_backlog() noexcept;

  ring::Descriptor reopened_;  // a terminal's or a pipe's
  int descriptor_;
  bool terminal_;
  bool journal_;
  bool in_line_ = false;  // what was dropped began with half a line written
  std::string backlog_;
  std::size_t written_ = 0;  // of backlog_
  std::uint64_t lost_ = 0;
  bool waits_ = false;
  int interrupt_ = -1;
};

}  // namespace tcpeek::engine
