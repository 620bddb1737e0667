#include "engine/forward/metrics_server.h"

#include <thread>

#include "engine/forward/forward_metrics.h"
#include "ipc/gzip.h"
#include "ipc/http_server.h"
#include "ipc/reactor.h"
#include "ipc/tcp_listener.h"

namespace tcpeek::forward {

struct MetricsServer::Running {
  Running(ipc::UniqueFd listener, const Counters& counters)
      : server(reactor, std::move(listener), ipc::http_limits(),
               {.metrics =
                    [&counters](const ipc::MetricsRequest& request, const ipc::Reply& reply) {
                      std::string text = metrics_text(counters, request.form);
                      reply(request.gzip ? ipc::gzip(text) : std::move(text));
                    },
                .trouble = [&counters]() -> std::string {
                  if (!counters.watching) return "not connected to tcpeek";
                  return counters.connected ? "" : "not connected to a broker";
                }}),
        thread([this] { reactor.run(); }) {}
  ~Running() {
    reactor.stop();
    thread.join();
  }

  ipc::Reactor reactor;
  ipc::HttpServer server;
  std::thread thread;
};

MetricsServer::MetricsServer(const std::string& address, std::uint16_t port,
                             const Counters& counters) {
  ipc::UniqueFd listener = ipc::listen_on(address, port);
  address_ = ipc::address_of(listener.get());
  running_ = std::make_unique<Running>(std::move(listener), counters);
}

MetricsServer::~MetricsServer() = default;

}  // namespace tcpeek::forward
