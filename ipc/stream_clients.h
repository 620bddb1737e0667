// Clients whose reply has no end: they stay until they leave, and are sent what comes as they take it.
//
// How it works: a client asks for more, it is not given more: when there is room in its socket, `fill` is
// called for the next piece of its text. So all that waits for a slow client is one piece; what it
// missed meanwhile is the business of who fills. wake() says that there may be more.
//
// A client that has left is noticed at once (EPOLLHUP), one that only ended its sending side is not taken
// for one. What it sends is not read. One that has taken nothing for `stall` though there was more is
// closed, as it would hold its place for ever.
//
// Thread contract: the reactor's thread.
// Bounds: `most` clients, one piece of text for each.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ipc/reply.h"

namespace tcpeek::ipc {

struct StreamLimits {
  std::size_t most = 16;
  std::chrono::milliseconds stall{300'000};
};

class StreamClients;

class StreamClient final : public Stream, public std::enable_shared_from_this<StreamClient> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;  // UNIX or TCP

  StreamClient(std::shared_ptr<StreamClients> owner, Socket socket, StreamFill fill);

  void start();
  void wake() override;
  [[nodiscard]] bool is_open() const noexcept override { return !closed_; }
  void close();

 private:
  void send();
  void send_later();
  void wait_for_leaving();
  void wait_for_room();
  void on_stall_check();
  [[nodiscard]] bool refill();

  std::shared_ptr<StreamClients> owner_;
  Socket socket_;
  StreamFill fill_;
  boost::asio::steady_timer stall_check_;
  std::string piece_;
  std::size_t sent_ = 0;  // of it
  std::chrono::steady_clock::time_point blocked_since_;
  bool blocked_ = false;  // waits for room
  bool queued_ = false;   // goes on sending in the reactor's next turn
  bool checking_ = false;
  bool closed_ = false;
};

class StreamClients : public std::enable_shared_from_this<StreamClients> {
 public:
  struct Stats {
    std::uint64_t refused = 0;
    std::uint64_t stalled = 0;
  };

  explicit StreamClients(StreamLimits limits) : limits_(limits) {}

  // None, and counted, if there are as many as may be.
  [[nodiscard]] bool has_room() noexcept;
  // Precondition: has_room().
  std::shared_ptr<StreamClient> add(StreamClient::Socket socket, StreamFill fill);
  void close();

  [[nodiscard]] std::size_t size() const noexcept { return clients_.size(); }
  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

 private:
  friend class StreamClient;

  const StreamLimits limits_;
  Stats stats_;
  std::vector<std::shared_ptr<StreamClient>> clients_;
};

}  // namespace tcpeek::ipc
