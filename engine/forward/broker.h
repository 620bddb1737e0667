// The connection to a NATS server with JetStream: publishes without waiting, takes acknowledgements as they come,
// and reads back what the stream has.
//
// How it works: each message asks for its acknowledgement at a subject that ends with its place in the window. libnats
// receives these on a thread of its own; they are put aside and the eventfd wakes the forwarder. A connection that is
// lost stays so until connect() makes another one.
//
// Thread contract: of one thread; libnats' threads touch the inbox only.
// Errors: BrokerError; trying again may help. Calls wait kPatience at most for a reply.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/event_fd.h"
#include "engine/forward/broker_options.h"
#include "engine/forward/message.h"
#include "engine/forward/nats_handles.h"

namespace tcpeek::forward {

struct Ack {
  std::uint64_t place = 0;
  std::uint64_t stored_at = 0;  // stream sequence
  bool duplicate = false;
  std::string refusal;     // why it was not stored; empty: it was
  bool too_large = false;  // which is why, and stays so
};

struct StoredMessage {
  std::uint64_t sequence = 0;
  std::string id;
};

struct StreamFacts {
  std::int64_t created = 0;  // nanoseconds since 1970
  std::uint64_t last_sequence = 0;
};

class Broker {
 public:
  static constexpr std::chrono::milliseconds kPatience{5000};

  // `wake` is notified when acknowledgements have come or the connection is lost; it outlives the broker. `stops`:
  // no further server is to be tried.
  Broker(const BrokerOptions& options, std::string stream, std::string subject,
         const engine::EventFd& wake, std::function<bool()> stops);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  void connect();
  void disconnect() noexcept;
  [[nodiscard]] bool is_connected() const noexcept;
  // Without what logs in to it.
  [[nodiscard]] std::string server() const;
  // What the broker or the connection said last, also by the way; empty: nothing.
  [[nodiscard]] std::string last_error() const;

  // None: there is no such stream.
  [[nodiscard]] std::optional<StreamFacts> stream();
  void create_stream();

  // The time, in nanoseconds since 1970, of the newest message with a subject of that pattern.
  [[nodiscard]] std::optional<std::int64_t> newest(const std::string& subjects);
  // The ids of all messages with such a subject: of that sequence and later ones, or of that time and later.
  [[nodiscard]] std::vector<StoredMessage> read_back_from(const std::string& subjects,
                                                          std::uint64_t sequence);
  [[nodiscard]] std::vector<StoredMessage> read_back_since(const std::string& subjects,
                                                           std::int64_t time);

  // False: the broker takes no message that is so large.
  [[nodiscard]] bool publish(std::uint64_t place, const Message& message);
  // Those that have come since.
  void take_acks(std::vector<Ack>& acks);

 private:
  struct Inbox;

  static void on_ack(natsConnection* connection, natsSubscription* subscription, natsMsg* message,
                     void* closure);
  static void on_closed(natsConnection* connection, void* closure);
  [[nodiscard]] NatsConnection connect_to_one();
  [[nodiscard]] std::vector<StoredMessage> read_back(const std::string& subjects,
                                                     jsConsumerConfig& from);

  const std::string stream_;
  const std::string subject_;
  std::unique_ptr<Inbox> inbox_;
  const std::function<bool()> stops_;
  std::vector<std::string> servers_;
  std::minstd_rand random_{std::random_device{}()};
  NatsOptions options_;
  NatsConnection connection_;
  NatsSubscription acks_;
  JetStream jetstream_;
  std::string reply_prefix_;
};

// What an acknowledgement says. One of another stream than this is a refusal.
[[nodiscard]] Ack parse_ack(std::uint64_t place, std::string_view text, std::string_view stream);

}  // namespace tcpeek::forward
