#include "engine/forward/watch_source.h"

#include <poll.h>

#include <exception>
#include <random>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "engine/base/text.h"

namespace tcpeek::forward {
namespace {

using engine::in_quotes;
using namespace std::chrono_literals;

constexpr Backoff::Duration kFirstSourceWait = 100ms;
constexpr Backoff::Duration kLongestSourceWait = 5s;
constexpr std::size_t kLinesPerTurn = 4096;
// What is in the socket when tcpeek closes it goes into the window as well, up to so many messages.
constexpr std::size_t kMostAtEnd = 4'000'000;

bool has_ended(int descriptor) noexcept {
  pollfd polled{descriptor, 0, 0};
  return ::poll(&polled, 1, 0) == 1 && (polled.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

WatchSource::WatchSource(std::string path, const Position& resume, bool singles,
                         Converter& converter, Window& window, const Presence& presence,
                         Counters& counters, engine::Log& log)
    : path_(std::move(path)),
      singles_(singles),
      converter_(converter),
      window_(window),
      presence_(presence),
      counters_(counters),
      log_(log),
      backoff_(kFirstSourceWait, kLongestSourceWait, std::random_device{}()) {
  if (resume.boot.empty()) return;
  converter_.move_to(resume, std::chrono::system_clock::now());
  ask_from_ = resume.seq + 1;
}

bool WatchSource::wants_input() const noexcept {
  return !greeting_ || (settled_ && !window_.is_full());
}

void WatchSource::turn(Clock::time_point now, bool synced) {
  more_ = false;
  if (!socket_ && now >= next_try_) connect(now);
  if (!socket_) return;
  try {
    read(now, synced);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    lose(now, e.what());
  }
}

void WatchSource::connect(Clock::time_point now) {
  greeting_.reset();
  settled_ = false;
  try {
    socket_.emplace(path_, ask_from_);
  } catch (const std::system_error& e) {
    return lose(now, e.what());
  }
  ++counters_.watches;
  counters_.watching = true;
}

void WatchSource::read(Clock::time_point now, bool synced) {
  if (greeting_ && synced && !settled_) settle();
  if (!socket_) return;
  const bool ended = has_ended(socket_->descriptor());
  for (std::size_t lines = 0; lines < kLinesPerTurn || ended;) {
    const bool room = !window_.is_full() || (ended && window_.size() < kMostAtEnd);
    if (greeting_ && (!settled_ || !room)) break;
    if (const auto line = socket_->line()) {
      take(*line);
      ++lines;
      if (greeting_ && synced && !settled_) settle();
      if (!socket_) return;
      continue;
    }
    const WatchSocket::Read got = socket_->read();
    if (got == WatchSocket::Read::nothing) return;
    if (got == WatchSocket::Read::end) return end(now);
  }
  more_ = settled_ && !window_.is_full();
  if (ended) lose(now, "tcpeek has closed the connection");
}

// A refusal, and the answer of who does not know WATCH, have no newline.
void WatchSource::end(Clock::time_point now) {
  if (!greeting_ && !socket_->rest().empty()) take(socket_->rest());
  lose(now, "tcpeek has closed the connection");
}

void WatchSource::take(std::string_view line) {
  auto parsed = parse_watch_line(line);
  if (!greeting_) {
    if (!parsed) {
      throw std::runtime_error("what answers at " + in_quotes(path_) + " does not know WATCH");
    }
    return greet(*parsed);
  }
  converter_.take(line, std::move(parsed), std::chrono::system_clock::now());
  ask_from_ = converter_.done().seq + 1;
}

void WatchSource::greet(const WatchLine& line) {
  if (line.kind == LineKind::error) throw std::runtime_error("tcpeek refuses: " + line.word);
  if (line.kind != LineKind::position) {
    throw std::runtime_error("tcpeek does not say where its events begin");
  }
  greeting_ = Greeting{line.boot, line.seq};
}

Position WatchSource::start_at(const Greeting& greeting) const {
  const Position& done = converter_.done();
  if (done.boot == greeting.boot) return presence_.advanced(done, singles_);
  // Another boot than that of an earlier run: all of it is wanted.
  if (!done.boot.empty()) return presence_.advanced({greeting.boot, 0}, singles_);
  const std::uint64_t first = presence_.first(greeting.boot);
  if (first == 0) return {greeting.boot, greeting.at};
  return presence_.advanced({greeting.boot, first - 1}, singles_);
}

void WatchSource::settle() {
  const Position start = start_at(*greeting_);
  converter_.move_to(start, std::chrono::system_clock::now());
  ask_from_ = start.seq + 1;
  if (greeting_->at > start.seq && !asked_again_) {
    asked_again_ = true;  // if it begins late all the same, what is missing becomes a gap
    socket_.reset();
    counters_.watching = false;
    return;
  }
  asked_again_ = false;
  settled_ = true;
  backoff_.reset();
  last_reason_.clear();
  log_.notice("watching tcpeek at {}, boot {}, from event {} on", in_quotes(path_), start.boot,
              start.seq + 1);
}

void WatchSource::lose(Clock::time_point now, const std::string& reason) {
  socket_.reset();
  counters_.watching = false;
  next_try_ = now + backoff_.next();
  if (reason == last_reason_) return;
  last_reason_ = reason;
  log_.warning("{}; trying again", reason);
}

}  // namespace tcpeek::forward
