#include "engine/forward/forwarder.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "engine/base/read_text.h"
#include "engine/base/text.h"
#include "engine/base/usage_error.h"

namespace tcpeek::forward {
namespace {

using engine::in_quotes;
using namespace std::chrono_literals;

constexpr auto kSaveEach = 1s;
constexpr auto kLongestPoll = 250ms;
constexpr auto kDrain = 3s;  // what is on its way at the end

constexpr std::size_t kMostKeyBytes = 4096;

engine::RedactionKey redaction_key(const std::string& path) {
  engine::RedactionKey key{};
  if (path.empty()) {
    if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
      ring::throw_errno("cannot draw a key (getrandom)");
    }
    return key;
  }
  const std::string text = engine::read_option_file("--redact-key", path, kMostKeyBytes);
  if (text.size() < key.size()) {
    throw engine::UsageError("--redact-key: " + in_quotes(path) + " has fewer than 16 bytes");
  }
  // All of it counts, however long it is.
  const std::span<const std::uint8_t> bytes(
      reinterpret_cast<const std::uint8_t*>(text.data()),  // NOLINT(*-reinterpret-cast)
      text.size());
  for (std::uint8_t half = 0; half < 2; ++half) {
    std::uint64_t hash = engine::siphash(half, 0x746370656b, bytes);
    for (std::size_t i = 0; i < 8; ++i, hash >>= 8) {
      key.at(8U * half + i) = static_cast<std::uint8_t>(hash) ^ bytes[8U * half + i];
    }
  }
  return key;
}

ConverterConfig converter_config(const ForwardOptions& options) {
  ConverterConfig config{.host = options.host,
                         .subject = options.subject,
                         .aggregate = options.aggregate,
                         .redactor = std::nullopt};
  if (options.redact) config.redactor.emplace(redaction_key(options.redact_key));
  return config;
}

[[noreturn]] void refuse_output(int error, std::uint64_t lines) {
  const std::string what = fmt::format("cannot write to standard output, {} lines are lost", lines);
  if (error == EPIPE) throw std::runtime_error(what + ": its reader has closed it");
  throw std::system_error(error, std::generic_category(), what);
}

}  // namespace

Forwarder::Forwarder(const ForwardOptions& options, const engine::TerminationSignals& signals,
                     engine::LineWriter& standard_output, engine::Log& log)
    : options_(options),
      signals_(signals),
      standard_output_(standard_output),
      log_(log),
      saved_(read_state()),
      window_({.messages = options.window}, saved_.progress),
      converter_(converter_config(options), window_, presence_, counters_),
      source_(options.socket, saved_.progress.position, options.aggregate.count() == 0, converter_,
              window_, presence_, counters_, log) {
  if (!options.dry_run) {
    delivery_.emplace(options_, converter_, saved_.stream_created, window_, presence_, counters_,
                      log_, wake_, [this] { return signals_.came(); });
  } else {
    standard_output_.wait_when_full(signals.descriptor());
  }
  if (options.metrics_listen) {
    metrics_.emplace(options.metrics_listen->first, options.metrics_listen->second, counters_);
    log_.info("metrics are at http://{}/metrics", metrics_->address());
  }
}

State Forwarder::read_state() {
  State state{.host = options_.host, .stream = options_.stream, .progress = {}};
  if (!options_.write_state) return state;
  state_file_.emplace(options_.state);
  const char* const instead =
      options_.dry_run ? "beginning with the events to come" : "going on from what the stream has";
  State found;
  switch (state_file_->read(found)) {
    case StateFile::Found::nothing:
      log_.info("{} is not there yet", in_quotes(options_.state));
      return state;
    case StateFile::Found::damage:
      log_.warning("{} is not a state file: {}", in_quotes(options_.state), instead);
      return state;
    case StateFile::Found::state:
      break;
  }
  if (found.host == state.host && found.stream == state.stream) return found;
  log_.warning("{} is of host {} and stream {}: {}", in_quotes(options_.state),
               in_quotes(found.host), in_quotes(found.stream), instead);
  return state;
}

void Forwarder::run() {
  const Clock::time_point begin = Clock::now();
  next_flush_ = begin + options_.aggregate;
  next_save_ = begin + kSaveEach;
  while (!signals_.came()) {
    turn(Clock::now());
    wait();
  }
  finish();
}

void Forwarder::turn(Clock::time_point now) {
  wake_.clear();
  if (delivery_) delivery_->turn(now);
  source_.turn(now, !delivery_ || delivery_->has_synced());
  flush_aggregates(now);
  if (delivery_) {
    delivery_->turn(now);
  } else {
    write_lines();
  }
  // At once where events of another boot begin, or the first ones.
  const bool begins = window_.progress().position.boot != saved_.progress.position.boot;
  if (now >= next_save_ || (begins && !save_failed_)) save_state(now);
  publish_gauges();
}

void Forwarder::flush_aggregates(Clock::time_point now) {
  if (options_.aggregate.count() == 0 || now < next_flush_) return;
  next_flush_ += options_.aggregate;
  if (next_flush_ < now) next_flush_ = now + options_.aggregate;
  converter_.flush(std::chrono::system_clock::now());
}

void Forwarder::write_lines() {
  bool any = false;
  while (const auto sending = window_.send_next()) {
    standard_output_.line(sending->message.payload);
    any = true;
    window_.acknowledge(sending->place, 0);
    ++counters_.messages_published;
  }
  if (any) standard_output_.flush_blocking();
  if (standard_output_.lost() > 0 && !signals_.came()) {
    refuse_output(standard_output_.error(), standard_output_.unwritten());
  }
}

void Forwarder::wait() const {
  const bool busy = source_.has_more();
  const short input = source_.wants_input() ? POLLIN : 0;
  std::array<pollfd, 3> polled{pollfd{signals_.descriptor(), POLLIN, 0},
                               pollfd{wake_.descriptor(), POLLIN, 0},
                               pollfd{source_.descriptor(), input, 0}};
  const int timeout =
      busy ? 0
           : static_cast<int>(
                 std::chrono::duration_cast<std::chrono::milliseconds>(kLongestPoll).count());
  static_cast<void>(::poll(polled.data(), polled.size(), timeout));
}

void Forwarder::finish() {
  converter_.flush(std::chrono::system_clock::now());
  if (delivery_) {
    drain();
  } else {
    write_lines();
    standard_output_.flush_for(kDrain);
  }
  save_state(Clock::now());
  if (!window_.empty()) {
    log_.notice("ends: {} messages are not in the stream yet", window_.size());
  } else if (!delivery_ && standard_output_.unwritten() > 0) {
    log_.warning("ends: {} lines were not written to standard output",
                 standard_output_.unwritten());
  } else {
    log_.notice("ends");
  }
}

// To connect anew would take longer than who ends us waits.
void Forwarder::drain() {
  const Clock::time_point deadline = Clock::now() + kDrain;
  while (!window_.empty() && delivery_->is_ready() && Clock::now() < deadline) {
    wake_.clear();
    delivery_->drain(Clock::now());
    pollfd polled{wake_.descriptor(), POLLIN, 0};
    if (!window_.empty()) static_cast<void>(::poll(&polled, 1, 50));
  }
}

// Only what is acknowledged moves it, so at worst messages are sent again and recognised. A line counts as
// acknowledged once it waits to be written.
void Forwarder::save_state(Clock::time_point now) {
  next_save_ = now + kSaveEach;
  if (!state_file_ || (!delivery_ && standard_output_.unwritten() > 0)) return;
  State state{.host = options_.host,
              .stream = options_.stream,
              .stream_created = delivery_ ? delivery_->stream_created() : 0,
              .progress = window_.progress()};
  if (state == saved_ || state.progress.position.boot.empty()) return;
  try {
    state_file_->write(state);
  } catch (const std::system_error& e) {
    if (!save_failed_) {
      log_.error("{}: after a restart {}", e.what(),
                 delivery_ ? "the stream is read back further" : "lines are written again");
    }
    save_failed_ = true;
    return;
  }
  save_failed_ = false;
  saved_ = std::move(state);
  ++counters_.state_writes;
}

void Forwarder::publish_gauges() {
  counters_.in_window = window_.size();
  counters_.in_flight = window_.in_flight();
}

}  // namespace tcpeek::forward
