// The accept loop and the life of a client. A client's object is kept by the list of clients and by
// its own operations under way; leaving the list and closing the socket ends it.
#include "ipc/unix_server.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "ipc/client_eviction.h"

namespace tcpeek::ipc {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::local::stream_protocol;

// What outlives the server's object while operations of its clients are still to be called back.
struct UnixServer::Core : std::enable_shared_from_this<Core> {
  Core(asio::io_context& the_context, ServerLimits the_limits, Handler the_handler)
      : context(the_context),
        acceptor(context),
        retry(context),
        limits(the_limits),
        handler(std::move(the_handler)) {}

  void accept_next();
  void admit(Protocol::socket socket);
  void make_room(const Peer& newcomer);
  void close();

  asio::io_context& context;
  Protocol::acceptor acceptor;
  asio::steady_timer retry;
  ServerLimits limits;
  Handler handler;
  ServerStats stats;
  std::set<std::shared_ptr<Session>> clients;
};

namespace {

Peer peer_of(Protocol::socket& socket) noexcept {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return {};
  }
  return {.user = credentials.uid, .process = credentials.pid};
}

}  // namespace

class UnixServer::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Core> core, Protocol::socket socket, const Peer& peer)
      : core_(std::move(core)),
        socket_(std::move(socket)),
        peer_(peer),
        deadline_(core_->context),
        framer_(core_->limits.max_request_bytes) {}

  void start() {
    error_code ignored;  // then writing fails as would_block never does, and the client is closed
    socket_.non_blocking(true, ignored);
    set_deadline(core_->limits.request_deadline);
    read_request();
  }

  [[nodiscard]] Place place() const { return {.peer = peer_, .state = state_, .since = since_}; }

  [[nodiscard]] bool wants_reply() const noexcept { return is(State::being_answered); }

  void send(ReplyText text) {
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
    // What goes at once is done with at once: who has its reply is not displaced.
    error_code error;
    const std::size_t sent = socket_.write_some(whole, error);
    if (error && error != asio::error::would_block) return on_written(error);
    if (sent == whole.size()) return on_written({});
    asio::async_write(socket_, whole + sent,
                      [self = shared_from_this()](error_code failed, std::size_t) {
                        if (self->is(State::receiving)) self->on_written(failed);
                      });
  }

  // Gives up the client, counting what it loses. Its operations under way end as aborted.
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
    core_->clients.erase(shared_from_this());
  }

 private:
  // What streams to a client (WATCH) will be one more state beside `receiving`.
  using State = Place::State;

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
    // A deadline moved on after its old one was already queued as reached.
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
    switch (framer_.state()) {
      case RequestFramer::State::need_more:
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
    core_->handler(std::string(framer_.word()), Reply(weak_from_this()));
  }

  void on_written(error_code error) {
    if (error) {
      ++core_->stats.replies_dropped;
      close();
      return;
    }
    finish();
  }

  // Tells the client that no more comes, and waits a bounded while for it to end as well.
  void finish() {
    reply_ = {};
    error_code failed;
    socket_.shutdown(Protocol::socket::shutdown_send, failed);
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
  Protocol::socket socket_;
  const Peer peer_;
  asio::steady_timer deadline_;
  RequestFramer framer_;
  State state_ = State::asking;
  asio::steady_timer::time_point since_ = asio::steady_timer::clock_type::now();
  bool closed_ = false;
  bool input_ended_ = false;
  std::size_t drained_ = 0;
  ReplyText reply_;
  std::array<char, kMaxRequestBytes> input_{};
};

void UnixServer::Reply::operator()(ReplyText text) const {
  if (const auto client = client_.lock()) client->send(std::move(text));
}

bool UnixServer::Reply::wanted() const noexcept {
  const auto client = client_.lock();
  return client != nullptr && client->wants_reply();
}

void UnixServer::Core::accept_next() {
  acceptor.async_accept([self = shared_from_this()](error_code error, Protocol::socket socket) {
    if (!self->acceptor.is_open()) return;
    if (!error) {
      self->admit(std::move(socket));
      self->accept_next();
      return;
    }
    // Without descriptors or memory the next accept() fails at once as well: trying without a pause
    // would keep the reactor busy with nothing. The clients wait in the queue meanwhile.
    ++self->stats.accept_failures;
    self->retry.expires_after(self->limits.accept_retry);
    self->retry.async_wait([self](error_code cancelled) {
      if (!cancelled && self->acceptor.is_open()) self->accept_next();
    });
  });
}

void UnixServer::Core::admit(Protocol::socket socket) {
  const Peer peer = peer_of(socket);
  if (clients.size() >= limits.max_clients) make_room(peer);
  ++stats.clients_accepted;
  const auto session = std::make_shared<Session>(shared_from_this(), std::move(socket), peer);
  clients.insert(session);
  session->start();
}

void UnixServer::Core::make_room(const Peer& newcomer) {
  std::vector<Place> places;
  std::vector<std::shared_ptr<Session>> in_order;
  for (const auto& client : clients) {
    places.push_back(client->place());
    in_order.push_back(client);
  }
  const std::size_t index = who_makes_room(places, newcomer);
  if (places[index].state != Place::State::answered) ++stats.clients_displaced;
  in_order[index]->give_up();
}

void UnixServer::Core::close() {
  error_code ignored;
  acceptor.close(ignored);
  retry.cancel();
  while (!clients.empty()) (*clients.begin())->close();
}

UnixServer::UnixServer(Reactor& reactor, SocketPath path, ServerLimits limits, Handler handler)
    : path_(std::move(path)),
      core_(std::make_shared<Core>(reactor.context(), limits, std::move(handler))) {
  UniqueFd listener = path_.take_listener();
  error_code error;
  core_->acceptor.assign(Protocol(), listener.get(), error);
  if (error) throw std::system_error(error, "cannot serve on " + path_.path());
  static_cast<void>(listener.release());
  core_->accept_next();
}

// NOLINTNEXTLINE(bugprone-exception-escape): a timer's cancel() is declared to throw and never does
UnixServer::~UnixServer() {
  core_->close();
}

const ServerStats& UnixServer::stats() const noexcept {
  return core_->stats;
}

}  // namespace tcpeek::ipc
