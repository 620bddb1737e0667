// An HTTP server on its own thread, at a port of the kernel's choice, and clients to ask it.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <future>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ipc/http_server.h"
#include "ipc/tcp_listener.h"
#include "tests/ipc/support.h"

namespace tcpeek::ipc::test {

inline ServerLimits patient_http() {
  ServerLimits limits = http_limits();
  limits.request_deadline = kPatience * 2;
  limits.reply_deadline = kPatience * 2;
  limits.drain_deadline = kPatience * 2;
  return limits;
}

class TcpTestClient {
 public:
  explicit TcpTestClient(std::uint16_t port, const char* from = nullptr)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    if (from != nullptr) {
      ::inet_pton(AF_INET, from, &to.sin_addr);
      EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    }
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      throw std::system_error(errno, std::generic_category(), "connect");
    }
  }

  // False once the server does not take it.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  [[nodiscard]] Received receive_all() const {
    Received result;
    std::string buffer(65536, '\0');
    const auto end = Clock::now() + kPatience;
    while (Clock::now() < end) {
      pollfd waited{fd_.get(), POLLIN, 0};
      if (::poll(&waited, 1, 100) != 1) continue;
      const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (count < 0) {
        result.error = errno;
        return result;
      }
      if (count == 0) return result;
      result.text.append(buffer, 0, static_cast<std::size_t>(count));
    }
    result.error = ETIMEDOUT;
    return result;
  }

  void end_sending() const { ::shutdown(fd_.get(), SHUT_WR); }

 private:
  UniqueFd fd_;
};

// A reply taken apart: the first line, the fields by name, the body.
struct HttpReply {
  std::string status;
  std::map<std::string, std::string> fields;
  std::string body;

  explicit HttpReply(const std::string& text) {
    const std::size_t end = text.find("\r\n\r\n");
    EXPECT_NE(end, std::string::npos) << text.substr(0, 200);
    if (end == std::string::npos) return;
    body = text.substr(end + 4);
    std::size_t at = text.find("\r\n");
    status = text.substr(0, at);
    while (at < end) {
      const std::size_t next = text.find("\r\n", at + 2);
      const std::string line = text.substr(at + 2, next - at - 2);
      const std::size_t colon = line.find(": ");
      EXPECT_NE(colon, std::string::npos) << line;
      fields[line.substr(0, colon)] = line.substr(colon + 2);
      at = next;
    }
  }
};

class HttpServerTest : public testing::Test {
 protected:
  void serve(ServerLimits limits = patient_http()) {
    UniqueFd listener = listen_on("127.0.0.1", 0);
    const std::string address = address_of(listener.get());
    port_ = static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
    server_.emplace(
        reactor_, std::move(listener), limits,
        HttpServer::Handlers{.metrics = [this](const MetricsRequest& request,
                                               Reply reply) { answer(request, std::move(reply)); },
                             .trouble = [this] { return trouble_; },
                             .web = web_});
    thread_ = std::thread([this] { reactor_.run(); });
  }

  // The line it would be asked for by, or much text.
  void answer(const MetricsRequest& request, Reply reply) {
    if (keep_) {
      kept_.push_back(std::move(reply));
    } else {
      reply(large_ ? std::string(std::size_t{8} << 20, 'x') : "<" + to_line(request) + ">");
    }
  }

  void TearDown() override {
    if (thread_.joinable()) {
      reactor_.stop();
      thread_.join();
    }
    server_.reset();
  }

  ServerStats stats() {
    std::promise<ServerStats> result;
    reactor_.post([&] { result.set_value(server_->stats()); });
    return result.get_future().get();
  }

  std::string ask_raw(std::string_view request) const {
    const TcpTestClient client(port_);
    EXPECT_TRUE(client.send(request));
    const Received received = client.receive_all();
    EXPECT_EQ(received.error, 0);
    return received.text;
  }

  HttpReply ask(const std::string& line, const std::string& fields = "") const {
    return HttpReply(ask_raw(line + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n"));
  }

  // Set before serve(), or between requests.
  bool large_ = false;
  bool keep_ = false;
  std::string trouble_;
  std::optional<HttpServer::Web> web_;

  Reactor reactor_;
  std::vector<Reply> kept_;
  std::optional<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace tcpeek::ipc::test
