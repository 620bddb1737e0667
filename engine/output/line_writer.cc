#include "engine/output/line_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/base/journal.h"

namespace tcpeek::engine {
namespace {

bool is_pipe(int descriptor) noexcept {
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode);
}

// For when poll() reported writable but write() would block: another writer of the pipe was faster, or a
// terminal has room for one byte where a newline takes two. False: interrupted.
bool pause(int at_most_ms, int interrupt) noexcept {
  constexpr int kPauseMs = 5;
  pollfd polled{interrupt, POLLIN, 0};
  ::poll(&polled, 1, std::min(at_most_ms, kPauseMs));
  return polled.revents == 0;
}

}  // namespace

LineWriter::LineWriter(int descriptor)
    : descriptor_(descriptor),
      terminal_(::isatty(descriptor) == 1),
      journal_(leads_to_journal(descriptor)) {
  if (!terminal_ && !is_pipe(descriptor)) return;
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  reopened_ = ring::Descriptor(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (reopened_.get() >= 0) descriptor_ = reopened_.get();
}

std::size_t LineWriter::width() const noexcept {
  winsize size{};
  return terminal_ && ::ioctl(descriptor_, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool LineWriter::abandoned() const noexcept {
  pollfd polled{descriptor_, 0, 0};
  return ::poll(&polled, 1, 0) == 1 && (polled.revents & POLLERR) != 0;
}

void LineWriter::line(std::string_view text, int severity) {
  if (journal_) {
    append(marked_for_journal(text, severity));
  } else {
    append(text);
  }
}

void LineWriter::append(std::string_view text) {
  if (backlog_.size() - written_ + text.size() + 1 > kMaxBacklog) {
    flush_blocking();
    flush();
  }
  if (backlog_.size() - written_ + text.size() + 1 > kMaxBacklog) {
    ++lost_;
    return;
  }
  if (in_line_) backlog_.push_back('\n');
  in_line_ = false;
  backlog_.append(text);
  backlog_.push_back('\n');
}

void LineWriter::status(std::string_view text) noexcept {
  flush();
  if (!backlog_.empty()) return;
  static_cast<void>(!::write(descriptor_, text.data(), text.size()));
}

std::uint64_t LineWriter::waiting() const noexcept {
  const auto begin = backlog_.begin() + static_cast<std::ptrdiff_t>(written_);
  return static_cast<std::uint64_t>(std::count(begin, backlog_.end(), '\n'));
}

void LineWriter::drop_backlog() noexcept {
  if (written_ > 0) in_line_ = backlog_[written_ - 1] != '\n';
  lost_ += waiting();
  backlog_.clear();
  written_ = 0;
}

// True if there may be more to write now.
bool LineWriter::write_some(int wait_ms, int interrupt) noexcept {
  if (written_ == backlog_.size()) return false;
  std::array<pollfd, 2> polled{{{descriptor_, POLLOUT, 0}, {interrupt, POLLIN, 0}}};
  const int ready = ::poll(polled.data(), polled.size(), wait_ms);
  if (ready <= 0) return ready < 0 && errno == EINTR;
  if (polled[0].revents == 0) return false;  // interrupted
  const std::size_t size = std::min<std::size_t>(backlog_.size() - written_, PIPE_BUF);
  const auto n = ::write(descriptor_, backlog_.data() + written_, size);
  if (n < 0) {
    if (errno == EINTR) return true;
    if (errno == EAGAIN) return wait_ms != 0 && pause(wait_ms, interrupt);
    error_ = errno;
    drop_backlog();
    return false;
  }
  written_ += static_cast<std::size_t>(n);
  if (written_ == backlog_.size()) {
    backlog_.clear();
    written_ = 0;
  }
  return true;
}

void LineWriter::flush() noexcept {
  while (write_some(0, -1)) {
  }
  if (written_ > kMaxBacklog / 2) {
    backlog_.erase(0, written_);
    written_ = 0;
  }
}

void LineWriter::flush_for(std::chrono::milliseconds timeout) noexcept {
  flush_until(std::chrono::steady_clock::now() + timeout, -1);
}

void LineWriter::flush_blocking(std::chrono::milliseconds grace) noexcept {
  constexpr std::chrono::hours kLongestWait{24};
  if (waits_) flush_until(std::chrono::steady_clock::now() + kLongestWait, interrupt_);
  flush_for(grace);
}

void LineWriter::flush_until(std::chrono::steady_clock::time_point deadline,
                             int interrupt) noexcept {
  while (written_ < backlog_.size()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !write_some(static_cast<int>(left.count()), interrupt)) return;
  }
}

}  // namespace tcpeek::engine
