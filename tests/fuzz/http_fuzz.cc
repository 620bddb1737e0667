// Bytes to the HTTP server, in pieces: whatever comes, a client gets one reply that is HTTP, or none; what it
// costs is counted, and the next client is served.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ipc/http_server.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/provided.h"

namespace tcpeek::fuzz {
namespace {

using ipc::HttpServer;
using ipc::ServerStats;
using ipc::UniqueFd;

constexpr std::string_view kHealth = "GET /healthz HTTP/1.1\r\n\r\n";

// On a thread of its own, at an abstract UNIX address: the server does not care what kind of stream it reads.
class Served {
 public:
  Served() {
    UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr address{};
    address.sa_family = AF_UNIX;
    size_ = sizeof name_;
    if (::bind(listener.get(), &address, sizeof(sa_family_t)) != 0 ||
        ::listen(listener.get(), 8) != 0 ||
        ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name_), &size_) != 0) {
      std::abort();
    }
    ipc::ServerLimits limits = ipc::http_limits();
    limits.drain_deadline = std::chrono::milliseconds(100);
    server_.emplace(reactor_, std::move(listener), limits,
                    HttpServer::Handlers{
                        .metrics = [](const ipc::MetricsRequest&,
                                      const ipc::Reply& reply) { reply(std::string("metrics")); },
                        .trouble = [] { return std::string(); },
                        .web = page()});
    thread_ = std::thread([this] { reactor_.run(); });
  }
  ~Served() {
    reactor_.stop();
    thread_.join();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  static HttpServer::Web page() {
    return {.page = std::string("page"),
            .policy = "default-src 'none'",
            .services = std::string("{}"),
            .boot = "b1",
            .ask = [](std::string line, const ipc::Reply& reply) {
              EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos) << line;
              reply(std::move(line));  // a stream is refused: it has no end
            }};
  }

  // What a client gets that sends `pieces` and then no more.
  std::string ask(const std::vector<std::string>& pieces) const {
    const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&name_), size_) != 0)
      std::abort();
    for (const std::string& piece : pieces) {
      if (::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
    }
    ::shutdown(client.get(), SHUT_WR);
    std::string text;
    std::array<char, 4096> buffer;  // NOLINT(*-member-init)
    for (;;) {
      const ssize_t count = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      if (count <= 0) return text;
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

  [[nodiscard]] ServerStats stats() {
    std::promise<ServerStats> result;
    reactor_.post([&] { result.set_value(server_->stats()); });
    return result.get_future().get();
  }

 private:
  ipc::Reactor reactor_;
  std::optional<HttpServer> server_;
  sockaddr_storage name_{};
  socklen_t size_ = 0;
  std::thread thread_;
};

}  // namespace

void run(FuzzedDataProvider& input) {
  static Served served;
  std::vector<std::string> pieces;
  while (input.remaining_bytes() > 0 && pieces.size() < 16) {
    pieces.push_back(input.ConsumeRandomLengthString(12'000));
  }
  const ServerStats before = served.stats();
  const std::string reply = served.ask(pieces);
  const ServerStats after = served.stats();
  if (!reply.empty()) {
    EXPECT_TRUE(reply.starts_with("HTTP/1.")) << reply;
    EXPECT_NE(reply.find("\r\nContent-Length: "), std::string::npos);
    const bool closes = reply.find("\r\nConnection: close\r\n") != std::string::npos;
    EXPECT_TRUE(closes || reply.starts_with("HTTP/1.0 ")) << "in which it is the rule";
    EXPECT_EQ(reply.find("HTTP/1.", 1), std::string::npos) << "one reply";
  }
  const std::uint64_t asked = after.requests - before.requests;
  const std::uint64_t dropped = after.requests_dropped - before.requests_dropped;
  EXPECT_EQ(asked + dropped, 1U) << "each client is counted, once";
  EXPECT_TRUE(served.ask({std::string(kHealth)}).ends_with("\r\n\r\nok\n"));
}

}  // namespace tcpeek::fuzz
