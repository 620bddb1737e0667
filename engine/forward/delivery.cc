#include "engine/forward/delivery.h"

#include <fmt/format.h>

#include <optional>
#include <random>
#include <utility>

#include "engine/base/text.h"
#include "engine/forward/message_id.h"

namespace tcpeek::forward {
namespace {

using engine::in_quotes;
using namespace std::chrono_literals;

constexpr Backoff::Duration kFirstWait = 250ms;
constexpr Backoff::Duration kLongestWait = 15s;
constexpr auto kAckPatience = 10s;
constexpr auto kTellAgain = 60s;  // the same reason
// How far to read back where nothing is known but the newest message: further than a window lasts.
constexpr std::chrono::nanoseconds kLookBack = 60s;

}  // namespace

Delivery::Delivery(const ForwardOptions& options, std::string token, std::int64_t stream_created,
                   Window& window, Presence& presence, Counters& counters, engine::Log& log,
                   const engine::EventFd& wake)
    : options_(options),
      token_(std::move(token)),
      subjects_(fmt::format("{}.{}.>", options.subject, token_)),
      stream_created_(stream_created),
      window_(window),
      presence_(presence),
      counters_(counters),
      log_(log),
      broker_(options.broker, options.stream, options.subject, wake),
      backoff_(kFirstWait, kLongestWait, std::random_device{}()) {}

void Delivery::turn(Clock::time_point now) {
  take_acks(now);
  if (ready_ && !broker_.is_connected()) {
    give_up(now, with_last_error("the connection to the broker was lost"));
  }
  if (!ready_ && now >= next_try_) connect_and_sync();
  if (ready_) publish();
  if (ready_ && window_.in_flight() > 0 && now - last_sign_ > kAckPatience) {
    const std::string reason =
        with_last_error(fmt::format("{} messages have not been acknowledged for {} seconds",
                                    window_.in_flight(), kAckPatience.count()));
    broker_.disconnect();
    give_up(now, reason);
  }
}

// What is not permitted the broker tells by the way, and does not answer.
std::string Delivery::with_last_error(std::string reason) const {
  const std::string error = broker_.last_error();
  if (!error.empty() && reason.find(error) == std::string::npos) reason += ": " + error;
  return reason;
}

void Delivery::take_acks(Clock::time_point now) {
  broker_.take_acks(acks_);
  const Ack* refused = nullptr;
  for (const Ack& ack : acks_) {
    if (!ack.refusal.empty()) {
      ++counters_.messages_rejected;
      refused = &ack;
      continue;
    }
    if (!window_.acknowledge(ack.place, ack.stored_at)) continue;
    if (ack.duplicate) ++counters_.messages_duplicate;
    stored(ack.stored_at);
    last_sign_ = Clock::now();
    if (refused == nullptr) backoff_.reset();
  }
  // What came behind it may have been stored: that has to be read back.
  if (refused != nullptr && ready_) give_up(now, "a message was refused: " + refused->refusal);
}

void Delivery::stored(std::uint64_t sequence) {
  ++counters_.messages_stored;
  counters_.newest_stored = sequence;
  counters_.last_stored_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
}

void Delivery::connect_and_sync() {
  try {
    if (!broker_.is_connected()) {
      broker_.connect();
      ++counters_.connections;
    }
    sync();
  } catch (const BrokerError& e) {
    return give_up(Clock::now(), with_last_error(e.what()));
  }
  ready_ = true;
  counters_.connected = true;
  last_sign_ = Clock::now();  // all that may have taken long
  last_reason_.clear();
  log_.notice("connected to {}: {} messages to send", in_quotes(broker_.server()), window_.size());
}

void Delivery::sync() {
  const StreamFacts facts = find_stream();
  const bool none_in_doubt = synced_ && window_.in_flight() == 0;
  const bool same =
      stream_created_ == facts.created && facts.last_sequence >= window_.stored_after();
  if (stream_created_ != 0 && !same) {
    log_.warning("the stream {} {}", in_quotes(options_.stream),
                 stream_created_ == facts.created ? "has lost messages that it had acknowledged"
                                                  : "is another one than before");
  }
  const std::vector<StoredMessage> found =
      none_in_doubt && same ? std::vector<StoredMessage>() : read_back(facts);
  // From here on nothing fails.
  if (!same) window_.restart_sequences();
  stream_created_ = facts.created;
  window_.rewind();
  for (const StoredMessage& message : found) {
    if (synced_) {
      if (window_.acknowledge(message.id, message.sequence)) stored(message.sequence);
    } else if (const auto id = parse_message_id(token_, message.id)) {
      presence_.add(*id);
    }
  }
  synced_ = true;
}

StreamFacts Delivery::find_stream() {
  std::optional<StreamFacts> facts = broker_.stream();
  if (!facts && options_.create_stream) {
    broker_.create_stream();
    log_.notice("created the stream {}", in_quotes(options_.stream));
    facts = broker_.stream();
  }
  if (facts) return *facts;
  throw BrokerError(
      fmt::format("there is no stream {}: create it (tcpeek-stream.json has its settings) or give "
                  "--create-stream",
                  in_quotes(options_.stream)));
}

std::vector<StoredMessage> Delivery::read_back(const StreamFacts& facts) {
  ++counters_.read_backs;
  const std::uint64_t after = window_.stored_after();
  if (stream_created_ == facts.created && facts.last_sequence >= after) {
    if (facts.last_sequence == after) return {};
    return broker_.read_back_from(subjects_, after + 1);
  }
  const auto newest = broker_.newest(subjects_);
  if (!newest) return {};
  return broker_.read_back_since(
      subjects_, *newest - (kLookBack + 2 * std::chrono::nanoseconds(options_.aggregate)).count());
}

void Delivery::publish() {
  try {
    while (const auto sending = window_.send_next()) {
      if (window_.in_flight() == 1) last_sign_ = Clock::now();
      broker_.publish(sending->place, sending->message);
      ++counters_.messages_published;
    }
  } catch (const BrokerError& e) {
    const std::string reason = with_last_error(e.what());
    broker_.disconnect();
    give_up(Clock::now(), reason);
  }
}

void Delivery::give_up(Clock::time_point now, const std::string& reason) {
  ready_ = false;
  counters_.connected = false;
  const auto wait = backoff_.next();
  next_try_ = now + wait;
  if (reason == last_reason_ && now - last_told_ < kTellAgain) return;
  last_reason_ = reason;
  last_told_ = now;
  log_.warning("{}; trying again in {:.1f} s and then at least every {} s", reason,
               static_cast<double>(wait.count()) / 1000,
               std::chrono::duration_cast<std::chrono::seconds>(kLongestWait).count());
}

}  // namespace tcpeek::forward
