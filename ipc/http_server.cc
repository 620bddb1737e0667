// The accept loop and the life of a client, as in unix_server.cc: a client's object is kept by the list of
// clients and by its own pending operations; leaving the list and closing the socket ends it.
#include "ipc/http_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "ipc/client_eviction.h"
#include "ipc/http_request.h"
#include "ipc/tcp_client.h"

namespace tcpeek::ipc {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Protocol = asio::ip::tcp;

namespace {

constexpr std::size_t kMostHeaderBytes = 8192;
// What is read at once is beyond the longest header, so that one that is too long is seen to be.
constexpr std::size_t kBufferBytes = 2 * kMostHeaderBytes;

constexpr std::string_view kPlainText = "text/plain; charset=utf-8";

// All values of one field, as a list.
std::string joined(const http::fields& fields, http::field name) {
  std::string list;
  for (auto [field, end] = fields.equal_range(name); field != end; ++field) {
    if (!list.empty()) list += ',';
    list.append(field->value().data(), field->value().size());
  }
  return list;
}

}  // namespace

struct HttpServer::Core : std::enable_shared_from_this<Core> {
  Core(asio::io_context& the_context, ServerLimits the_limits, Handlers the_handlers)
      : context(the_context),
        acceptor(context),
        retry(context),
        limits(the_limits),
        handlers(std::move(the_handlers)) {}

  void wait_for_clients();
  void accept_burst();
  void retry_later();
  void evict_one(std::vector<TcpClient>& incoming, const Peer& newcomer);
  void admit(TcpClient client);
  void close();

  asio::io_context& context;
  Protocol::acceptor acceptor;
  Protocol protocol = Protocol::v4();
  asio::steady_timer retry;
  ServerLimits limits;
  Handlers handlers;
  ServerStats stats;
  std::vector<std::shared_ptr<Session>> clients;  // in order of arrival
};

class HttpServer::Session final : public Asker, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Core> core, Protocol::socket socket, const TcpClient& client)
      : core_(std::move(core)),
        socket_(std::move(socket)),
        peer_(client.peer),
        deadline_(core_->context),
        since_(client.since) {
    parser_.header_limit(static_cast<std::uint32_t>(core_->limits.max_request_bytes));
    take(client.input);
  }

  void start() {
    set_deadline(core_->limits.request_deadline);
    go_on();
  }

  [[nodiscard]] ClientSlot slot() const {
    return {.peer = peer_, .state = state_, .since = since_};
  }

  [[nodiscard]] bool wants_reply() const noexcept override { return is(State::being_answered); }
  std::shared_ptr<Stream> become_stream(StreamFill) override { return nullptr; }

  // The metrics that this client asked for.
  void send(ReplyText text) override {
    if (!wants_reply()) return;
    if ((*text).size() > core_->limits.max_reply_bytes) {
      ++core_->stats.replies_dropped;
      return close();
    }
    reply(http::status::ok, content_type(metrics_.form), std::move(text));
  }

  // Drops the client, counting what it loses. Its pending operations end as aborted.
  void give_up() {
    if (state_ == State::asking) ++core_->stats.requests_dropped;
    if (state_ == State::being_answered || state_ == State::receiving) {
      ++core_->stats.replies_dropped;
    }
    close();
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    deadline_.cancel();
    error_code ignored;
    socket_.close(ignored);
    std::erase(core_->clients, shared_from_this());
  }

 private:
  using State = ClientSlot::State;

  [[nodiscard]] bool is(State state) const noexcept { return !closed_ && state_ == state; }

  void enter(State state, std::chrono::milliseconds deadline) {
    state_ = state;
    since_ = asio::steady_timer::clock_type::now();
    set_deadline(deadline);
  }

  void set_deadline(std::chrono::milliseconds from_now) {
    deadline_.expires_after(from_now);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->on_deadline();
    });
  }

  void on_deadline() {
    // The deadline was moved after its old one had expired and was queued.
    if (closed_ || deadline_.expiry() > asio::steady_timer::clock_type::now()) return;
    give_up();
  }

  void take(std::string_view input) {
    const auto room = buffer_.prepare(input.size());
    asio::buffer_copy(room, asio::buffer(input));
    buffer_.commit(input.size());
  }

  // Acts on what has been read so far.
  void go_on() {
    error_code error;
    const std::size_t taken = parser_.put(buffer_.data(), error);
    buffer_.consume(taken);
    // Beast's own limit is not exact where a header comes in pieces.
    header_bytes_ += taken;
    if (header_bytes_ > core_->limits.max_request_bytes) return refuse(http::error::header_limit);
    if (parser_.is_header_done()) return answer();
    if (error && error != http::error::need_more) return refuse(error);
    socket_.async_read_some(buffer_.prepare(buffer_.max_size() - buffer_.size()),
                            [self = shared_from_this()](error_code failed, std::size_t bytes) {
                              if (self->is(State::asking)) self->on_input(failed, bytes);
                            });
  }

  void on_input(error_code error, std::size_t bytes) {
    if (error) {
      ++core_->stats.requests_dropped;
      return close();
    }
    buffer_.commit(bytes);
    go_on();
  }

  void refuse(error_code error) {
    ++core_->stats.requests_dropped;
    enter(State::being_answered, core_->limits.reply_deadline);
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      return tell(http::status::request_header_fields_too_large, "the header is too long\n");
    }
    tell(http::status::bad_request, "this is not an HTTP request\n");
  }

  void answer() {
    ++core_->stats.requests;
    enter(State::being_answered, core_->limits.reply_deadline);
    const auto& request = parser_.get();
    const HttpPage page = page_of({request.target().data(), request.target().size()});
    if (page == HttpPage::none) {
      return tell(http::status::not_found, "there are /metrics and /healthz\n");
    }
    head_only_ = request.method() == http::verb::head;
    if (request.method() != http::verb::get && !head_only_) {
      return tell(http::status::method_not_allowed, "GET and HEAD are allowed\n");
    }
    if (page == HttpPage::health) return tell_health();
    metrics_ = negotiate(joined(request, http::field::accept),
                         joined(request, http::field::accept_encoding));
    core_->handlers.metrics(metrics_, Reply(weak_from_this()));
  }

  void tell_health() {
    const std::string trouble = core_->handlers.trouble();
    if (trouble.empty()) return tell(http::status::ok, "ok\n");
    tell(http::status::service_unavailable, trouble + "\n");
  }

  void tell(http::status status, std::string text) {
    metrics_ = {};
    reply(status, kPlainText, ReplyText(std::move(text)));
  }

  // The deadline stays that of the whole reply.
  void reply(http::status status, std::string_view type, ReplyText text) {
    state_ = State::receiving;
    since_ = asio::steady_timer::clock_type::now();
    text_ = std::move(text);
    response_.result(status);
    response_.version(parser_.is_header_done() ? parser_.get().version() : 11);
    response_.keep_alive(false);
    response_.set(http::field::content_type, {type.data(), type.size()});
    response_.set(http::field::cache_control, "no-store");
    response_.set(http::field::vary, "Accept, Accept-Encoding");
    if (metrics_.gzip) response_.set(http::field::content_encoding, "gzip");
    if (status == http::status::method_not_allowed) {
      response_.set(http::field::allow, "GET, HEAD");
    }
    response_.body() = {(*text_).data(), (*text_).size()};
    response_.prepare_payload();
    serializer_.emplace(response_);
    const auto written = [self = shared_from_this()](error_code failed, std::size_t) {
      if (self->is(State::receiving)) self->on_written(failed);
    };
    if (head_only_) return http::async_write_header(socket_, *serializer_, written);
    http::async_write(socket_, *serializer_, written);
  }

  void on_written(error_code error) {
    if (error) {
      ++core_->stats.replies_dropped;
      return close();
    }
    finish();
  }

  // Tells the client that there is no more, and waits a bounded time for it to close as well: closing with
  // unread input would reset the connection, and the client might lose the reply.
  void finish() {
    text_ = {};
    error_code failed;
    socket_.shutdown(Protocol::socket::shutdown_send, failed);
    if (failed) return close();
    enter(State::answered, core_->limits.drain_deadline);
    drain();
  }

  void drain() {
    socket_.async_read_some(asio::buffer(discarded_),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              if (!self->is(State::answered)) return;
                              self->drained_ += bytes;
                              if (error || self->drained_ > self->core_->limits.max_drained_bytes) {
                                return self->close();
                              }
                              self->drain();
                            });
  }

  std::shared_ptr<Core> core_;
  Protocol::socket socket_;
  const Peer peer_;
  asio::steady_timer deadline_;
  State state_ = State::asking;
  asio::steady_timer::time_point since_;
  bool closed_ = false;
  http::request_parser<http::empty_body> parser_;
  beast::flat_static_buffer<kBufferBytes> buffer_;
  std::size_t header_bytes_ = 0;
  MetricsRequest metrics_;
  bool head_only_ = false;
  ReplyText text_;
  http::response<http::span_body<const char>> response_;
  std::optional<http::response_serializer<http::span_body<const char>>> serializer_;
  std::size_t drained_ = 0;
  std::array<char, 4096> discarded_{};
};

void HttpServer::Core::wait_for_clients() {
  acceptor.async_wait(Protocol::acceptor::wait_read, [self = shared_from_this()](error_code error) {
    if (!self->acceptor.is_open()) return;
    if (error) return self->retry_later();
    self->accept_burst();
  });
}

// Not for longer than a turn. Clients are set up once it is known which of the burst stay.
void HttpServer::Core::accept_burst() {
  std::vector<TcpClient> incoming;
  int error_number = 0;
  for (std::size_t turn = 0; turn < limits.accept_burst; ++turn) {
    TcpAcceptResult next = accept_tcp_client(acceptor.native_handle(), kMostHeaderBytes);
    error_number = next.error_number;
    if (error_number != 0) break;
    ++stats.clients_accepted;
    if (next.client.has_left) {
      ++stats.requests_dropped;
      continue;
    }
    if (clients.size() + incoming.size() >= limits.max_clients) {
      evict_one(incoming, next.client.peer);
    }
    incoming.push_back(std::move(next.client));
  }
  for (TcpClient& client : incoming) admit(std::move(client));
  if (error_number != 0 && error_number != EAGAIN) return retry_later();
  wait_for_clients();
}

// Without descriptors or memory the next accept() would fail at once as well.
void HttpServer::Core::retry_later() {
  ++stats.accept_failures;
  retry.expires_after(limits.accept_retry);
  retry.async_wait([self = shared_from_this()](error_code cancelled) {
    if (!cancelled && self->acceptor.is_open()) self->wait_for_clients();
  });
}

void HttpServer::Core::evict_one(std::vector<TcpClient>& incoming, const Peer& newcomer) {
  std::vector<ClientSlot> slots;
  slots.reserve(clients.size() + incoming.size());
  for (const auto& client : clients) slots.push_back(client->slot());
  for (const TcpClient& client : incoming) slots.push_back(client.slot());
  const std::size_t index = choose_client_to_evict(slots, newcomer);
  if (slots[index].state != ClientSlot::State::answered) ++stats.clients_displaced;
  if (index < clients.size()) return std::shared_ptr(clients[index])->give_up();
  ++stats.requests_dropped;
  incoming.erase(incoming.begin() + static_cast<std::ptrdiff_t>(index - clients.size()));
}

void HttpServer::Core::admit(TcpClient client) {
  Protocol::socket socket(context);
  error_code error;
  socket.assign(protocol, client.socket.get(), error);
  if (error) {
    ++stats.accept_failures;
    ++stats.requests_dropped;
    return;
  }
  static_cast<void>(client.socket.release());
  socket.non_blocking(true, error);
  clients.push_back(std::make_shared<Session>(shared_from_this(), std::move(socket), client));
  std::shared_ptr(clients.back())->start();
}

void HttpServer::Core::close() {
  error_code ignored;
  acceptor.close(ignored);
  retry.cancel();
  while (!clients.empty()) std::shared_ptr(clients.front())->close();
}

HttpServer::HttpServer(Reactor& reactor, UniqueFd listener, ServerLimits limits, Handlers handlers)
    : core_(std::make_shared<Core>(reactor.context(), limits, std::move(handlers))) {
  error_code error;
  core_->acceptor.assign(core_->protocol, listener.get(), error);
  if (error) throw std::system_error(error, "cannot serve metrics");
  static_cast<void>(listener.release());
  core_->wait_for_clients();
}

// NOLINTNEXTLINE(bugprone-exception-escape): a timer's cancel() is declared to throw and never does
HttpServer::~HttpServer() {
  core_->close();
}

const ServerStats& HttpServer::stats() const noexcept {
  return core_->stats;
}

}  // namespace tcpeek::ipc
