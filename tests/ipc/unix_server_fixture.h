// A server on its own thread, and clients to ask it.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "ipc/unix_server.h"
#include "tests/ipc/support.h"

namespace tcpeek::ipc::test {

// Bigger than any socket buffer, so that it cannot all be sent to a client that does not read.
inline constexpr std::size_t kLargeReply = std::size_t{2} << 20;

inline const std::string& large_text() {
  static const std::string kText = [] {
    std::string text;
    text.reserve(kLargeReply);
    for (char c = 'a'; text.size() < kLargeReply; c = c == 'w' ? 'a' : static_cast<char>(c + 1)) {
      text.append(1021, c);
    }
    text.resize(kLargeReply);
    return text;
  }();
  return kText;
}

// Limits that end things soon where the test waits for it, and never where it does not.
inline ServerLimits patient() {
  ServerLimits limits;
  limits.request_deadline = kPatience * 2;
  limits.reply_deadline = kPatience * 2;
  limits.drain_deadline = kPatience * 2;
  return limits;
}

class UnixServerTest : public testing::Test {
 protected:
  void serve(ServerLimits limits, UnixServer::Handler handler) {
    server_.emplace(reactor_, SocketPath::listen(path(), SocketPath::Parent::must_exist), limits,
                    std::move(handler));
    thread_ = std::thread([this] { reactor_.run(); });
  }

  void serve(ServerLimits limits = patient()) { serve(limits, answer_by_word); }

  // "large" gets much text, any other word itself in brackets.
  static void answer_by_word(std::string word, UnixServer::Reply reply) {
    reply(word == "large" ? large_text() : "<" + word + ">");
  }

  void TearDown() override {
    stop();
    server_.reset();
  }

  void stop() {
    if (!thread_.joinable()) return;
    reactor_.stop();
    thread_.join();
  }

  template <typename Work>
  auto on_reactor(Work work) {
    std::promise<decltype(work())> result;
    reactor_.post([&] { result.set_value(work()); });
    return result.get_future().get();
  }

  ServerStats stats() {
    return on_reactor([this] { return server_->stats(); });
  }

  [[nodiscard]] std::string path() const { return dir_ / "x.sock"; }

  std::string ask(std::string_view request) {
    const Client client(path());
    EXPECT_TRUE(client.send(request));
    const Received received = client.receive_all();
    EXPECT_EQ(received.error, 0);
    return received.text;
  }

  TempDir dir_;
  Reactor reactor_;
  std::optional<UnixServer> server_;
  std::thread thread_;
};

}  // namespace tcpeek::ipc::test
