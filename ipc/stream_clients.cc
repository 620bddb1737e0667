// One client's turns: send what there is, else wait for room or to be woken.
#include "ipc/stream_clients.h"

#include <poll.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace tcpeek::ipc {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

// In one turn of the reactor; others are served between two.
constexpr std::size_t kPiecesPerTurn = 8;

// Or has sent out-of-band data, which nobody may.
bool has_left(int descriptor) noexcept {
  pollfd asked{.fd = descriptor, .events = POLLPRI, .revents = 0};
  return ::poll(&asked, 1, 0) > 0;
}

}  // namespace

StreamClient::StreamClient(std::shared_ptr<StreamClients> owner, Socket socket, StreamFill fill)
    : owner_(std::move(owner)),
      socket_(std::move(socket)),
      fill_(std::move(fill)),
      stall_check_(socket_.get_executor()) {}

void StreamClient::start() {
  wait_for_leaving();
}

// Asio gives the registration of a closed socket to the next one at once. An end of the first that was queued
// then ends the wait of the second: so being woken proves nothing.
void StreamClient::wait_for_leaving() {
  socket_.async_wait(Socket::wait_error, [self = shared_from_this()](error_code error) {
    if (error || has_left(self->socket_.native_handle())) return self->close();
    self->wait_for_leaving();
  });
}

void StreamClient::wake() {
  if (!closed_ && !blocked_ && !queued_) send();
}

// False: there is nothing to send.
bool StreamClient::refill() {
  if (sent_ < piece_.size()) return true;
  piece_.clear();
  sent_ = 0;
  fill_(piece_);
  return !piece_.empty();
}

void StreamClient::send() {
  for (std::size_t turn = 0; turn < kPiecesPerTurn; ++turn) {
    if (!refill()) return;
    error_code error;
    sent_ += socket_.write_some(asio::buffer(piece_) + sent_, error);
    if (error == asio::error::would_block) return wait_for_room();
    if (error) return close();
  }
  send_later();
}

void StreamClient::send_later() {
  queued_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->queued_ = false;
    self->wake();
  });
}

void StreamClient::wait_for_room() {
  blocked_ = true;
  blocked_since_ = Clock::now();
  if (!checking_) on_stall_check();
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](error_code) {
    self->blocked_ = false;
    self->wake();
  });
}

// Sets one timer a stall, not one for each wait.
void StreamClient::on_stall_check() {
  checking_ = blocked_ && !closed_;
  if (!checking_) return;
  const auto due = blocked_since_ + owner_->limits_.stall;
  if (due <= Clock::now()) {
    ++owner_->stats_.stalled;
    return close();
  }
  stall_check_.expires_at(due);
  stall_check_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->on_stall_check();
  });
}

void StreamClient::close() {
  if (closed_) return;
  closed_ = true;
  stall_check_.cancel();
  error_code ignored;
  socket_.close(ignored);
  std::erase(owner_->clients_, shared_from_this());
}

bool StreamClients::has_room() noexcept {
  if (clients_.size() < limits_.most) return true;
  ++stats_.refused;
  return false;
}

std::shared_ptr<StreamClient> StreamClients::add(StreamClient::Socket socket, StreamFill fill) {
  clients_.push_back(
      std::make_shared<StreamClient>(shared_from_this(), std::move(socket), std::move(fill)));
  std::shared_ptr<StreamClient> added = clients_.back();
  added->start();
  return added;
}

void StreamClients::close() {
  while (!clients_.empty()) std::shared_ptr(clients_.front())->close();
}

}  // namespace tcpeek::ipc
