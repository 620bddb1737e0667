// A listening socket in the reactor that can be left alone for a while: after accept() failed for want of
// descriptors or memory, trying again at once would keep the reactor busy with nothing.
//
// How it works: for the pause the socket leaves the reactor's epoll set. Were it only not waited for, each
// client that connects would still wake the reactor, as what is in the set is reported edge-triggered.
//
// Thread contract: the reactor's thread. A handler is called from the reactor, never from within the call that
// takes it, and keeps the listener alive until then.
// Errors: open() throws std::system_error; a failure to wait is handed to the handler.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "ipc/unique_fd.h"

namespace tcpeek::ipc {

template <class Protocol>
class Listener {
 public:
  explicit Listener(boost::asio::io_context& context) : acceptor_(context), pause_(context) {}

  // `name`: what is said of it in an error.
  void open(const Protocol& protocol, UniqueFd socket, const std::string& name) {
    protocol_ = protocol;
    away_ = std::move(socket);
    const ErrorCode error = enter();
    if (error) throw std::system_error(error, name);
  }

  [[nodiscard]] int native_handle() { return acceptor_.native_handle(); }

  // Calls handler(error) once there is somebody to accept; not at all after close().
  template <class Handler>
  void wait(Handler handler) {
    acceptor_.async_wait(Acceptor::wait_read,
                         [this, handler = std::move(handler)](ErrorCode error) {
                           if (acceptor_.is_open()) handler(error);
                         });
  }

  // The same, not before `pause` is over.
  template <class Handler>
  void wait_after(std::chrono::milliseconds pause, Handler handler) {
    leave();
    pause_.expires_after(pause);
    pause_.async_wait([this, handler = std::move(handler)](ErrorCode cancelled) mutable {
      if (cancelled || !away_) return;
      if (const ErrorCode error = enter()) return handler(error);
      wait(std::move(handler));
    });
  }

  void close() {
    ErrorCode ignored;
    acceptor_.close(ignored);
    away_.reset();
    pause_.cancel();
  }

 private:
  using ErrorCode = boost::system::error_code;
  using Acceptor = boost::asio::basic_socket_acceptor<Protocol>;

  ErrorCode enter() {
    ErrorCode error;
    acceptor_.assign(*protocol_, away_.get(), error);
    if (!error) static_cast<void>(away_.release());
    return error;
  }

  void leave() {
    if (!acceptor_.is_open()) return;
    ErrorCode ignored;  // of one that is not open
    away_.reset(acceptor_.release(ignored));
  }

  Acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::optional<Protocol> protocol_;
  UniqueFd away_;  // the socket, while it is not in the reactor
};

}  // namespace tcpeek::ipc
