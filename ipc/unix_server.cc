// The accept loop and the life of a client. A client's object is kept by the list of clients and by
// its own operations under way; leaving the list and closing the socket ends it.
#include "ipc/unix_server.h"

#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <set>
#include <system_error>
#include <utility>

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
  void close();

  asio::io_context& context;
  Protocol::acceptor acceptor;
  asio::steady_timer retry;
  ServerLimits limits;
  Handler handler;
  ServerStats stats;
  std::set<std::shared_ptr<Session>> clients;
};

class UnixServer::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Core> core, Protocol::socket socket)
      : core_(std::move(core)),
        socket_(std::move(socket)),
        deadline_(core_->context),
        framer_(core_->limits.max_request_bytes) {}

  void start() {
    set_deadline(core_->limits.request_deadline);
    read_request();
  }

  // Gives up the client. Its operations under way end as aborted.
  void close() {
    if (state_ == State::closed) return;
    state_ = State::closed;
    deadline_.cancel();
    error_code ignored;
    socket_.close(ignored);
    core_->clients.erase(shared_from_this());
  }

 private:
  enum class State : std::uint8_t { reading, waiting, writing, draining, closed };

  // What streams to a client (WATCH) will be one more state beside `writing`.

  void set_deadline(std::chrono::milliseconds from_now) {
    deadline_.expires_after(from_now);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->on_deadline();
    });
  }

  void on_deadline() {
    // A deadline moved on after its old one was already queued as reached.
    if (state_ == State::closed || deadline_.expiry() > asio::steady_timer::clock_type::now()) {
      return;
    }
    if (state_ == State::reading) ++core_->stats.requests_dropped;
    if (state_ == State::waiting || state_ == State::writing) ++core_->stats.replies_dropped;
    close();
  }

  void read_request() {
    socket_.async_read_some(asio::buffer(input_),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              if (self->state_ == State::reading) self->on_input(error, bytes);
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
    state_ = State::waiting;
    set_deadline(core_->limits.reply_deadline);
    core_->handler(std::string(framer_.word()), [session = weak_from_this()](std::string text) {
      if (const auto self = session.lock()) self->send(std::move(text));
    });
  }

  void send(std::string text) {
    if (state_ != State::waiting) return;
    if (text.size() > core_->limits.max_reply_bytes) {
      ++core_->stats.replies_dropped;
      close();
      return;
    }
    state_ = State::writing;
    reply_ = std::move(text);
    asio::async_write(socket_, asio::buffer(reply_),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (self->state_ == State::writing) self->on_written(error);
                      });
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
    reply_ = std::string();
    error_code failed;
    socket_.shutdown(Protocol::socket::shutdown_send, failed);
    if (failed || input_ended_) {
      close();
      return;
    }
    state_ = State::draining;
    set_deadline(core_->limits.drain_deadline);
    drain();
  }

  void drain() {
    socket_.async_read_some(asio::buffer(input_),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              if (self->state_ != State::draining) return;
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
  asio::steady_timer deadline_;
  RequestFramer framer_;
  State state_ = State::reading;
  bool input_ended_ = false;
  std::size_t drained_ = 0;
  std::string reply_;
  std::array<char, kMaxRequestBytes> input_{};
};

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
  if (clients.size() >= limits.max_clients) {
    ++stats.clients_refused;
    return;
  }
  ++stats.clients_accepted;
  const auto session = std::make_shared<Session>(shared_from_this(), std::move(socket));
  clients.insert(session);
  session->start();
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

UnixServer::~UnixServer() {
  core_->close();
}

const ServerStats& UnixServer::stats() const noexcept {
  return core_->stats;
}

}  // namespace tcpeek::ipc
