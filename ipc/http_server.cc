// The accept loop, as in unix_server.cc. The life of a client is in http_session.cc.
#include "ipc/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "ipc/client_eviction.h"
#include "ipc/http_session.h"

namespace tcpeek::ipc {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::ip::tcp;

namespace {

// Of a host that acknowledges nothing: its connection is closed then.
constexpr unsigned kSilenceMs = 30'000;

}  // namespace

void HttpServer::Core::wait_for_clients() {
  listener.wait([self = shared_from_this()](error_code error) { self->on_clients(error); });
}

void HttpServer::Core::on_clients(error_code error) {
  if (error) return retry_later();
  accept_burst();
}

// Not for longer than a turn. Clients are set up once it is known which of the burst stay.
void HttpServer::Core::accept_burst() {
  std::vector<TcpClient> incoming;
  int error_number = 0;
  for (std::size_t turn = 0; turn < limits.accept_burst; ++turn) {
    TcpAcceptResult next = accept_tcp_client(listener.native_handle(), kMostHeaderBytes);
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

void HttpServer::Core::retry_later() {
  ++stats.accept_failures;
  listener.wait_after(limits.accept_retry,
                      [self = shared_from_this()](error_code error) { self->on_clients(error); });
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
  listener.close();
  while (!clients.empty()) std::shared_ptr(clients.front())->close();
  streams->close();
}

HttpServer::HttpServer(Reactor& reactor, UniqueFd listener, ServerLimits limits, Handlers handlers)
    : core_(std::make_shared<Core>(reactor.context(), limits, std::move(handlers))) {
  core_->listener.open(core_->protocol, std::move(listener), "cannot serve metrics");
  // Clients inherit it: one whose host is gone does not hold its place for as long as its socket has room.
  static_cast<void>(::setsockopt(core_->listener.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT,
                                 &kSilenceMs, sizeof kSilenceMs));
  core_->wait_for_clients();
}

// NOLINTNEXTLINE(bugprone-exception-escape): a timer's cancel() is declared to throw and never does
HttpServer::~HttpServer() {
  core_->close();
}

ServerStats HttpServer::stats() const noexcept {
  ServerStats stats = core_->stats;
  stats.watchers = core_->streams->size();
  stats.watchers_refused = core_->streams->stats().refused;
  stats.watchers_stalled = core_->streams->stats().stalled;
  return stats;
}

}  // namespace tcpeek::ipc
