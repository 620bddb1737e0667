// The server by HTTP from within: what its clients share, and one client. Only the server's own sources include
// this.
//
// A client's object is kept by the list of clients and by its own pending operations; leaving the list and
// closing the socket ends it.
//
// Thread contract: the reactor's thread.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/client_eviction.h"
#include "ipc/http_fields.h"
#include "ipc/http_server.h"
#include "ipc/listener.h"
#include "ipc/stream_clients.h"
#include "ipc/tcp_client.h"
#include "ipc/web_request.h"

namespace tcpeek::ipc {

inline constexpr std::size_t kMostHeaderBytes = 8192;
// What is read at once is beyond the longest header, so that one that is too long is seen to be.
inline constexpr std::size_t kHttpBufferBytes = 2 * kMostHeaderBytes;

// Outlives the server's object while its clients' operations are still to be called back.
struct HttpServer::Core : std::enable_shared_from_this<Core> {
  Core(boost::asio::io_context& the_context, ServerLimits the_limits, Handlers the_handlers)
      : context(the_context),
        listener(context),
        limits(the_limits),
        handlers(std::move(the_handlers)),
        streams(std::make_shared<StreamClients>(
            StreamLimits{.most = limits.max_streams, .stall = limits.stream_stall})) {}

  void wait_for_clients();
  void on_clients(boost::system::error_code error);
  void accept_burst();
  void retry_later();
  void evict_one(std::vector<TcpClient>& incoming, const Peer& newcomer);
  void admit(TcpClient client);
  void close();

  boost::asio::io_context& context;
  Listener<boost::asio::ip::tcp> listener;
  boost::asio::ip::tcp protocol = boost::asio::ip::tcp::v4();
  ServerLimits limits;
  Handlers handlers;
  ServerStats stats;
  std::vector<std::shared_ptr<Session>> clients;  // in order of arrival
  std::shared_ptr<StreamClients> streams;         // no longer among them
};

class HttpServer::Session final : public Asker, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Core> core, boost::asio::ip::tcp::socket socket, const TcpClient& client)
      : core_(std::move(core)),
        socket_(std::move(socket)),
        peer_(client.peer),
        deadline_(core_->context),
        since_(client.since) {
    parser_.header_limit(static_cast<std::uint32_t>(core_->limits.max_request_bytes));
    take(client.input);
  }
  void start();

  [[nodiscard]] ClientSlot slot() const;

  [[nodiscard]] bool wants_reply() const noexcept override { return is(State::being_answered); }

  // Goes on as a stream of events, in another place; none if there is none.
  std::shared_ptr<Stream> become_stream(StreamFill fill) override;

  // What this client asked for.
  void send(ReplyText text) override;

  // Drops the client, counting what it loses. Its pending operations end as aborted.
  void give_up();
  void close();

 private:
  using State = ClientSlot::State;

  [[nodiscard]] bool is(State state) const noexcept { return !closed_ && state_ == state; }
  void enter(State state, std::chrono::milliseconds deadline);
  void set_deadline(std::chrono::milliseconds from_now);
  void on_deadline();
  void take(std::string_view input);

  // Acts on what has been read so far.
  void go_on();
  void on_input(boost::system::error_code error, std::size_t bytes);
  void refuse(boost::system::error_code error);
  void answer();

  // The page and what it asks for.
  void answer_page(const WebRequest& asked);
  void answer_events(std::string request);

  // None if the client has left.
  [[nodiscard]] std::string connected_to() const;
  void tell_health();
  void tell(boost::beast::http::status status, std::string text);

  // The deadline stays that of the whole reply.
  void reply(ReplyText text);
  void on_written(boost::system::error_code error);

  // Tells the client that there is no more, and waits a bounded time for it to close as well: closing with
  // unread input would reset the connection, and the client might lose the reply.
  void finish();
  void drain();

  std::shared_ptr<Core> core_;
  boost::asio::ip::tcp::socket socket_;
  const Peer peer_;
  boost::asio::steady_timer deadline_;
  State state_ = State::asking;
  boost::asio::steady_timer::time_point since_;
  bool closed_ = false;
  boost::beast::http::request_parser<boost::beast::http::empty_body> parser_;
  boost::beast::flat_static_buffer<kHttpBufferBytes> buffer_;
  std::size_t header_bytes_ = 0;
  HttpText head_;  // of the reply
  bool head_only_ = false;
  bool wants_events_ = false;
  ReplyText text_;
  HttpResponse response_;
  std::optional<boost::beast::http::response_serializer<boost::beast::http::span_body<const char>>>
      serializer_;
  std::size_t drained_ = 0;
  std::array<char, 4096> discarded_{};
};

}  // namespace tcpeek::ipc
