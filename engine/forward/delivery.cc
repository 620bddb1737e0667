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

Delivery::Delivery(const ForwardOptions& options, const Converter& converter,
                   std::int64_t stream_created, Window& window, Presence& presence,
                   Counters& counters, engine::Log& log, const engine::EventFd& wake,
                   std::function<bool()> stops)
    : options_(options),
      converter_(converter),
      subjects_(fmt::format("{}.{}.>", options.subject, converter.token())),
      stream_created_(stream_created),
      window_(window),
      presence_(presence),
      counters_(counters),
      log_(log),
      broker_(options.broker, options.stream, options.subject, wake, std::move(stops)),
      backoff_(kFirstWait, kLongestWait, std::random_device{}()) {}

void Delivery::turn(Clock::time_point now) {
  drain(now);
  if (ready_ || now < next_try_) return;
  connect_and_sync();
  if (ready_) publish();
}

void Delivery::drain(Clock::time_point now) {
  take_acks(now);
  if (ready_ && !broker_.is_connected()) {
    give_up(now, with_last_error("the connection to the broker was lost"));
  }
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
      const std::string remedy = ack.refusal + "; raise the stream's max_msg_size";
      if (!ack.too_large || !tell_in_gap(ack.place, remedy)) refused = &ack;
      continue;
    }
    if (!window_.acknowledge(ack.place, ack.stored_at)) continue;
    if (ack.duplicate) ++counters_.messages_duplicate;
    stored(ack.stored_at);
    last_sign_ = Clock::now();
    if (ready_) singly_ = false;
    if (refused == nullptr) backoff_.reset();
  }
  if (refused == nullptr || !ready_) return;
  // What came behind it may have been stored: that has to be read back.
  singly_ = true;
  give_up(now, "a message was refused: " + refused->refusal);
}

// What is too large will never be taken, and nothing behind it could ever be forgotten.
bool Delivery::tell_in_gap(std::uint64_t place, const std::string& reason) {
  const Message* const message = window_.waiting(place);
  if (message == nullptr) return true;
  auto gap = converter_.gap_instead(*message);
  if (!gap) return false;
  const Clock::time_point now = Clock::now();
  if (!too_large_told_ || now - *too_large_told_ >= kTellAgain) {
    too_large_told_ = now;
    log_.warning("{}, of {} bytes, is told in a gap instead: {}", in_quotes(message->id),
                 message->payload.size(), reason);
  }
  ++counters_.gaps;
  ++counters_.events_lost;
  window_.replace(place, std::move(*gap));
  return true;
}

void Delivery::stored(std::uint64_t sequence) {
  last_reason_.clear();
  ++counters_.messages_stored;
  counters_.newest_stored = sequence;
  counters_.last_stored_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
}

void Delivery::connect_and_sync() {
  const bool made = !broker_.is_connected();
  try {
    if (made) {
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
  if (!made) return;
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
  // What lies before it was not looked at, and need not be after a restart.
  if (!same) {
    window_.restart_sequences(found.empty() ? facts.last_sequence : found.front().sequence - 1);
  }
  stream_created_ = facts.created;
  window_.rewind();
  for (const StoredMessage& message : found) {
    if (synced_) {
      if (window_.acknowledge(message.id, message.sequence)) stored(message.sequence);
    } else if (const auto id = parse_message_id(converter_.token(), message.id)) {
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
    while (!singly_ || window_.in_flight() == 0) {
      const auto sending = window_.send_next();
      if (!sending) return;
      if (window_.in_flight() == 1) last_sign_ = Clock::now();
      if (broker_.publish(sending->place, sending->message)) {
        ++counters_.messages_published;
        continue;
      }
      ++counters_.messages_rejected;
      if (!tell_in_gap(sending->place, "the broker takes none so large; raise its max_payload")) {
        throw BrokerError("the broker does not even take a gap: raise its max_payload");
      }
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
