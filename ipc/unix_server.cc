// The accept loop and the life of a client. A client's object is kept by the list of clients and by
// its own pending operations; leaving the list and closing the socket ends it.
#include "ipc/unix_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <utility>
#include <vector>

#include "ipc/client_eviction.h"
#include "ipc/connect_brake.h"
#include "ipc/incoming_client.h"
#include "ipc/listener.h"
#include "ipc/stream_clients.h"

namespace tcpeek::ipc {

namespace asio = boost::asio;
using boost::system::error_code;
using Local = asio::local::stream_protocol;

// Outlives the server's object while its clients' operations are still to be called back.
struct UnixServer::Core : std::enable_shared_from_this<Core> {
  Core(asio::io_context& the_context, ServerLimits the_limits, Handler the_handler)
      : context(the_context),
        listener(context),
        limits(the_limits),
        handler(std::move(the_handler)),
        streams(std::make_shared<StreamClients>(
            StreamLimits{.most = limits.max_streams, .stall = limits.stream_stall})) {}

  void wait_for_clients();
  void on_clients(error_code error);
  void accept_burst();
  void retry_later();
  void evict_one(std::vector<IncomingClient>& incoming, const Peer& newcomer);
  void drop(const IncomingClient& client);
  void admit(IncomingClient client);
  void close();

  asio::io_context& context;
  Listener<Local> listener;
  ConnectBrake brake;
  ServerLimits limits;
  Handler handler;
  ServerStats stats;
  std::vector<std::shared_ptr<Session>> clients;  // in order of arrival
  std::shared_ptr<StreamClients> streams;         // no longer among them
};

class UnixServer::Session final : public Asker, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Core> core, Local::socket socket, IncomingClient client)
      : core_(std::move(core)),
        socket_(std::move(socket)),
        peer_(client.peer),
        deadline_(core_->context),
        framer_(std::move(client.request)),
        since_(client.since) {}

  void start() {
    error_code ignored;  // then writing fails as would_block never does, and the client is closed
    socket_.non_blocking(true, ignored);
    go_on();
  }

  [[nodiscard]] ClientSlot slot() const {
    return {.peer = peer_, .state = state_, .since = since_};
  }

  [[nodiscard]] bool wants_reply() const noexcept override { return is(State::being_answered); }

  void send(ReplyText text) override {
    if (!wants_reply()) return;
    if ((*text).size() > core_->limits.max_reply_bytes) {
      ++core_->stats.replies_dropped;
      close();
      return;
    }
    // The deadline stays that of the whole reply.
    state_ = State::receiving;
    since_ = asio::steady_timer::clock_type::now();
    reply_ = std::move(text);
    const auto whole = asio::buffer(*reply_);
    // What can be sent now is sent now: a client that has its reply loses nothing.
    error_code error;
    const std::size_t sent = socket_.write_some(whole, error);
    if (error && error != asio::error::would_block) return on_written(error);
    if (sent == whole.size()) return on_written({});
    asio::async_write(socket_, whole + sent,
                      [self = shared_from_this()](error_code failed, std::size_t) {
                        if (self->is(State::receiving)) self->on_written(failed);
                      });
  }

  // Goes on as a stream, in another place; none if there is none.
  std::shared_ptr<Stream> become_stream(StreamFill fill) override {
    if (!wants_reply() || !core_->streams->has_room()) return nullptr;
    auto stream = core_->streams->add(std::move(socket_), std::move(fill));
    close();
    return stream;
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
    has_deadline_ = true;
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

  void read_request() {
    socket_.async_read_some(asio::buffer(input_),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              if (self->is(State::asking)) self->on_input(error, bytes);
                            });
  }

  void on_input(error_code error, std::size_t bytes) {
    if (error == asio::error::eof) {
      input_ended_ = true;
      framer_.end_of_input();
    } else if (!error) {
      framer_.feed({input_.data(), bytes});
    }
    if (error && !input_ended_) {
      ++core_->stats.requests_dropped;
      close();
      return;
    }
    go_on();
  }

  // Acts on what has been read so far.
  void go_on() {
    switch (framer_.state()) {
      case RequestFramer::State::need_more:
        if (!has_deadline_) set_deadline(core_->limits.request_deadline);
        read_request();
        return;
      case RequestFramer::State::complete:
        answer();
        return;
      case RequestFramer::State::too_long:
      case RequestFramer::State::unfinished:
        ++core_->stats.requests_dropped;
        finish();
        return;
    }
  }

  void answer() {
    ++core_->stats.requests;
    enter(State::being_answered, core_->limits.reply_deadline);
    core_->handler(framer_.request(), Reply(weak_from_this()));
  }

  void on_written(error_code error) {
    if (error) {
      ++core_->stats.replies_dropped;
      close();
      return;
    }
    finish();
  }

  // Tells the client that there is no more, and waits a bounded time for it to close as well.
  void finish() {
    reply_ = {};
    error_code failed;
    socket_.shutdown(Local::socket::shutdown_send, failed);
    if (failed || input_ended_) {
      close();
      return;
    }
    enter(State::answered, core_->limits.drain_deadline);
    drain();
  }

  void drain() {
    socket_.async_read_some(asio::buffer(input_),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              if (!self->is(State::answered)) return;
                              self->drained_ += bytes;
                              if (error || self->drained_ > self->core_->limits.max_drained_bytes) {
                                self->close();
                                return;
                              }
                              self->drain();
                            });
  }

  std::shared_ptr<Core> core_;
  Local::socket socket_;
  const Peer peer_;
  asio::steady_timer deadline_;
  RequestFramer framer_;
  State state_ = State::asking;
  asio::steady_timer::time_point since_;
  bool closed_ = false;
  bool has_deadline_ = false;
  bool input_ended_ = false;
  std::size_t drained_ = 0;
  ReplyText reply_;
  std::array<char, kMaxRequestBytes> input_{};
};

void UnixServer::Core::wait_for_clients() {
  listener.wait([self = shared_from_this()](error_code error) { self->on_clients(error); });
}

void UnixServer::Core::on_clients(error_code error) {
  if (error) return retry_later();
  accept_burst();
}

// Empties the queue faster than clients can fill it, as a full one turns non-blocking clients away; but
// not for longer than a turn, so that timers and clients get theirs. Clients are set up once it is known
// which of the burst stay.
void UnixServer::Core::accept_burst() {
  const RequestBounds bounds{
      .line = limits.max_request_bytes, .body = limits.max_body_bytes, .owner = limits.owner};
  std::vector<IncomingClient> incoming;
  int error_number = 0;
  for (std::size_t turn = 0; turn < limits.accept_burst; ++turn) {
    AcceptResult next = accept_client(listener.native_handle(), bounds);
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
  for (IncomingClient& client : incoming) admit(std::move(client));
  if (error_number != 0 && error_number != EAGAIN) return retry_later();
  wait_for_clients();
}

// The clients wait in the queue meanwhile.
void UnixServer::Core::retry_later() {
  ++stats.accept_failures;
  listener.wait_after(limits.accept_retry,
                      [self = shared_from_this()](error_code error) { self->on_clients(error); });
}

void UnixServer::Core::evict_one(std::vector<IncomingClient>& incoming, const Peer& newcomer) {
  std::vector<ClientSlot> slots;
  slots.reserve(clients.size() + incoming.size());
  for (const auto& client : clients) slots.push_back(client->slot());
  for (const IncomingClient& client : incoming) slots.push_back(client.slot());
  const std::size_t index = choose_client_to_evict(slots, newcomer);
  if (slots[index].state != ClientSlot::State::answered) ++stats.clients_displaced;
  if (index < clients.size()) return std::shared_ptr(clients[index])->give_up();
  const auto evicted = incoming.begin() + static_cast<std::ptrdiff_t>(index - clients.size());
  drop(*evicted);
  incoming.erase(evicted);
}

void UnixServer::Core::drop(const IncomingClient& client) {
  if (client.request.state() != RequestFramer::State::complete) {
    ++stats.requests_dropped;
    return;
  }
  ++stats.requests;
  ++stats.replies_dropped;
}

void UnixServer::Core::admit(IncomingClient client) {
  Local::socket socket(context);
  error_code error;
  socket.assign(Local(), client.socket.get(), error);
  if (error) {
    ++stats.accept_failures;
    return drop(client);
  }
  static_cast<void>(client.socket.release());
  clients.push_back(
      std::make_shared<Session>(shared_from_this(), std::move(socket), std::move(client)));
  std::shared_ptr(clients.back())->start();
}

void UnixServer::Core::close() {
  listener.close();
  while (!clients.empty()) std::shared_ptr(clients.front())->close();
  streams->close();
}

UnixServer::UnixServer(Reactor& reactor, SocketPath path, ServerLimits limits, Handler handler)
    : path_(std::move(path)),
      core_(std::make_shared<Core>(reactor.context(), limits, std::move(handler))) {
  core_->listener.open(Local(), path_.take_listener(), "cannot serve on " + path_.path());
  core_->brake = ConnectBrake(core_->listener.native_handle());
  core_->wait_for_clients();
}

// NOLINTNEXTLINE(bugprone-exception-escape): a timer's cancel() is declared to throw and never does
UnixServer::~UnixServer() {
  core_->close();
}

ServerStats UnixServer::stats() const noexcept {
  ServerStats stats = core_->stats;
  stats.watchers = core_->streams->size();
  stats.watchers_refused = core_->streams->stats().refused;
  stats.watchers_stalled = core_->streams->stats().stalled;
  return stats;
}

}  // namespace tcpeek::ipc
