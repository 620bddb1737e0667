// The server on the UNIX socket: one request, one reply, close; or a reply without end. It frames, bounds
// and delivers; the handler knows what a word means.
//
// How it works: each client is a small state machine on the reactor with one deadline per state:
// reading the request, waiting for and writing the reply, draining. Nothing ever waits for a
// client. Connections are accepted in bursts (incoming_client.h), so that the kernel's queue stays
// short even in a flood. When all slots are taken, a client of the peer with the most is evicted for
// the next one (client_eviction.h), so slow and hostile clients cost each other slots and nobody else.
// After the reply the sending side is shut down and what the client still sends is read and thrown
// away, because closing a UNIX socket with unread input would turn the client's end of input into an
// error.
//
// A client whose reply has no end (stream_clients.h) leaves the slots of those who ask and has one of its
// own: neither kind takes the other's, and nobody is evicted for a stream.
//
// Thread contract: all of it, the reply function too, on the reactor's thread (or before run() and
// after it). Destroy the server before the reactor.
// Errors: the constructor throws std::system_error. Failures of clients and of accept() are
// counted.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ipc/reactor.h"
#include "ipc/reply.h"
#include "ipc/request.h"
#include "ipc/snapshot.h"
#include "ipc/socket_path.h"

namespace tcpeek::ipc {

struct ServerLimits {
  std::size_t max_clients = 32;   // for one more, one of them is evicted
  std::size_t max_streams = 16;   // beside them; one more is refused
  std::size_t accept_burst = 64;  // at once; then timers and other clients get their turn
  std::size_t max_request_bytes = kMaxRequestBytes;
  std::size_t max_body_bytes = kMaxBodyBytes;           // of a request by root or the owner
  uid_t owner = 0;                                      // whom tcpeek runs as
  std::size_t max_reply_bytes = std::size_t{16} << 20;  // per client; a larger reply is not sent
  std::size_t max_drained_bytes = std::size_t{64} << 10;
  std::chrono::milliseconds request_deadline{1000};  // from accept to the whole request
  std::chrono::milliseconds reply_deadline{5000};    // from there to the reply's last byte
  std::chrono::milliseconds drain_deadline{1000};    // from there to the client's end of input
  std::chrono::milliseconds accept_retry{100};       // after accept() failed
  std::chrono::milliseconds stream_stall{300'000};   // a stream that takes nothing for so long ends
};

class UnixServer {
 public:
  using Reply = ipc::Reply;
  // A request as RequestFramer::request() has it.
  using Handler = std::function<void(std::string request, Reply reply)>;

  UnixServer(Reactor& reactor, SocketPath path, ServerLimits limits, Handler handler);
  // Closes every client and removes the socket's file. Not from within the handler.
  ~UnixServer();  // NOLINT(bugprone-exception-escape)
  UnixServer(const UnixServer&) = delete;
  UnixServer& operator=(const UnixServer&) = delete;

  // Only the server's own counts; the others of ServerStats stay 0.
  [[nodiscard]] ServerStats stats() const noexcept;

 private:
  struct Core;
  class Session;

  SocketPath path_;
  std::shared_ptr<Core> core_;
};

}  // namespace tcpeek::ipc
