// The HTTP server that metrics are scraped from: /metrics and /healthz, one request and one reply on a
// connection, then it is closed. It frames, bounds and delivers; what the metrics are is the handler's.
//
// How it works: as the server on the UNIX socket (unix_server.h). Each client is a small state machine with one
// deadline per state, connections are accepted in bursts, and when all slots are taken a client of the address
// with the most is evicted for the next one. Beast reads the header and writes the reply. A body is never
// read, nor a second request: both are thrown away, within bounds, before the connection is closed.
//
// With `web` it serves a page, too, and what that asks for (web_request.h): replies of the UNIX socket, and one
// without end as server-sent events. A client of these leaves the slots of those who ask and has one of its own
// (stream_clients.h).
//
// What it replies: 200; 400 to what is no HTTP; 403 to a page of another site; 404 to other pages; 405 to other
// methods than GET and HEAD; 431 to a header that is too long; 503 where the readers do not answer, or as many
// watch as may be.
//
// Thread contract: all of it, the handlers too, on the reactor's thread (or before run() and after it). Destroy
// the server before the reactor.
// Errors: the constructor throws std::system_error. Failures of clients and of accept() are counted.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ipc/metrics_request.h"
#include "ipc/reactor.h"
#include "ipc/reply.h"
#include "ipc/snapshot.h"
#include "ipc/unique_fd.h"
#include "ipc/unix_server.h"

namespace tcpeek::ipc {

// Longer than on a UNIX socket, as packets may be lost.
[[nodiscard]] inline ServerLimits http_limits() {
  ServerLimits limits;
  limits.max_request_bytes = 8192;
  limits.request_deadline = std::chrono::seconds(2);
  limits.reply_deadline = std::chrono::seconds(10);
  return limits;
}

class HttpServer {
 public:
  struct Web {
    ReplyText page;
    std::string policy;  // Content-Security-Policy of the page
    ReplyText services;  // names of ports, as JSON
    std::string boot;    // EventLog::boot()
    // Replies as the UNIX socket does.
    std::function<void(std::string request, Reply)> ask;
  };

  struct Handlers {
    // The reply is the text asked for, in the form asked for.
    std::function<void(const MetricsRequest&, Reply)> metrics;
    // Why this tcpeek is not healthy; empty if it is.
    std::function<std::string()> trouble;
    std::optional<Web> web = {};  // none: no page
  };

  // `listener`: a TCP socket that listens, non-blocking (tcp_listener.h).
  HttpServer(Reactor& reactor, UniqueFd listener, ServerLimits limits, Handlers handlers);
  // Closes every client. Not from within a handler.
  ~HttpServer();  // NOLINT(bugprone-exception-escape)
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Without lines_lost. A request that is no HTTP or too long is among requests_dropped.
  [[nodiscard]] ServerStats stats() const noexcept;

 private:
  struct Core;
  class Session;

  std::shared_ptr<Core> core_;
};

}  // namespace tcpeek::ipc
