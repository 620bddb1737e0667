// Writes lines to standard error or standard output, and never blocks on the other end unless asked to.
//
// How it works: lines are buffered; flush() writes what the descriptor takes now. Terminals and pipes
// are opened a second time, in non-blocking mode; the original descriptor keeps its mode, as it is
// shared with the shell. Where that fails, a pipe that poll() reports writable has room for PIPE_BUF
// bytes, unless another writer is faster. When the other end is too slow the buffer fills up, and whole
// lines are dropped and counted; likewise when the other end is closed. Lines for the journal carry
// their severity.
//
// Thread contract: used by one thread.
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
  // is syslog(3)'s; only the journal shows it.
  void line(std::string_view text, int severity = LOG_INFO);
  // For a program that can afford it: from now on line() blocks while the backlog is full, until the
  // descriptor `interrupt` becomes readable; -1: nothing interrupts.
  void wait_when_full(int interrupt) noexcept {
    waits_ = true;
    interrupt_ = interrupt;
  }
  // Writes what the descriptor takes now, without newline and past the backlog: a terminal's status.
  void status(std::string_view text) noexcept;
  void flush() noexcept;
  [[nodiscard]] bool flushed() const noexcept { return written_ == backlog_.size(); }
  // Waits until everything is written, `timeout` at most.
  void flush_for(std::chrono::milliseconds timeout) noexcept;
  // Waits as long as line() would, and for `grace` once that was interrupted.
  void flush_blocking(std::chrono::milliseconds grace = {}) noexcept;

  [[nodiscard]] bool terminal() const noexcept { return terminal_; }
  // Columns of a terminal as it is now; 0: unknown, or none.
  [[nodiscard]] std::size_t width() const noexcept;
  // Whether whoever read this pipe or socket has closed it.
  [[nodiscard]] bool abandoned() const noexcept;
  [[nodiscard]] bool journal() const noexcept { return journal_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
  // Lines that were lost or wait to be written.
  [[nodiscard]] std::uint64_t unwritten() const noexcept { return lost_ + waiting(); }
  // What write(2) failed with when lines were lost by that; 0: they were not.
  [[nodiscard]] int error() const noexcept { return error_; }

 private:
  void append(std::string_view text);
  void flush_until(std::chrono::steady_clock::time_point deadline, int interrupt) noexcept;
  [[nodiscard]] bool write_some(int wait_ms, int interrupt) noexcept;
  [[nodiscard]] std::uint64_t waiting() const noexcept;
  void drop_backlog() noexcept;

  ring::Descriptor reopened_;  // a terminal's or a pipe's
  int descriptor_;
  bool terminal_;
  bool journal_;
  bool in_line_ = false;  // half a line was written before the rest was dropped
  std::string backlog_;
  std::size_t written_ = 0;  // of backlog_
  std::uint64_t lost_ = 0;
  int error_ = 0;
  bool waits_ = false;
  int interrupt_ = -1;
};

}  // namespace tcpeek::engine
