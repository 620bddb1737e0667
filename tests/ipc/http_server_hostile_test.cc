// HTTP clients that do not behave, and scarcity: each costs its own place, is counted, and delays nobody.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/ipc/http_server_fixture.h"

namespace tcpeek::ipc {
namespace {

using namespace test;
using ::testing::StartsWith;
using HttpServerHostileTest = HttpServerTest;

constexpr const char* kAsk = "GET /healthz HTTP/1.1\r\n\r\n";

TEST_F(HttpServerHostileTest, AHeaderThatIsTooLong) {
  serve();
  const std::string begin = "GET /metrics HTTP/1.1\r\nX: ";
  for (const std::size_t size : {8192U, 20'000U, 60'000U}) {
    EXPECT_THAT(ask_raw(begin + std::string(size, 'x') + "\r\n\r\n"), StartsWith("HTTP/1.1 431 "))
        << size;
  }
  EXPECT_THAT(ask_raw("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 431 "));
  std::string many = "GET /metrics HTTP/1.1\r\n";
  for (int i = 0; i < 1000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  EXPECT_THAT(ask_raw(many + "\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_EQ(stats().requests_dropped, 5U);
  EXPECT_THAT(ask_raw(begin + std::string(7000, 'x') + "\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerHostileTest, WhatIsNoHttp) {
  serve();
  for (const std::string& text :
       {std::string("STATS\r\n\r\n"), std::string("GET /metrics\r\n\r\n"),
        std::string("GET /metrics HTTP/9.9\r\n\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11),
        std::string("GET  HTTP/1.1\r\n\r\n"),
        std::string("GET /metrics HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("G\0T / HTTP/1.1\r\n\r\n", 18),
        std::string("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n")}) {
    EXPECT_THAT(ask_raw(text), StartsWith("HTTP/1.1 400 ")) << text;
  }
  EXPECT_EQ(stats().requests_dropped, 8U);
  EXPECT_EQ(stats().requests, 0U);
}

TEST_F(HttpServerHostileTest, AnUnfinishedRequestIsClosedAtItsDeadline) {
  ServerLimits limits = patient_http();
  limits.request_deadline = 100ms;
  serve(limits);
  const TcpTestClient silent(port_);
  const TcpTestClient half(port_);
  half.send("GET /metr");  // unless the deadline has come first
  EXPECT_EQ(silent.receive_all().text + half.receive_all().text, "");
  EXPECT_EQ(stats().requests_dropped, 2U);
}

TEST_F(HttpServerHostileTest, DrippingBytesDoNotMoveTheDeadline) {
  ServerLimits limits = patient_http();
  limits.request_deadline = 150ms;
  serve(limits);
  const TcpTestClient client(port_);
  const auto begin = Clock::now();
  client.send("GET /metrics HTTP/1.1\r\nX: ");
  while (client.send("x") && Clock::now() - begin < kPatience) std::this_thread::sleep_for(5ms);
  EXPECT_LT(Clock::now() - begin, kPatience);
  EXPECT_EQ(stats().requests_dropped, 1U);
}

TEST_F(HttpServerHostileTest, AClientThatNeverReadsIsClosedAtTheDeadline) {
  large_ = true;
  ServerLimits limits = patient_http();
  limits.reply_deadline = 200ms;
  serve(limits);
  const TcpTestClient stuck(port_);
  ASSERT_TRUE(stuck.send("GET /metrics HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([this] { return stats().replies_dropped == 1; }));
}

TEST_F(HttpServerHostileTest, AFloodAfterTheRequestIsCutOff) {
  serve();
  const TcpTestClient flood(port_);
  ASSERT_TRUE(flood.send(kAsk));
  const std::string junk(65536, 'z');
  std::size_t taken = 0;
  while (flood.send(junk) && taken < (std::size_t{64} << 20)) taken += junk.size();
  EXPECT_LT(taken, std::size_t{16} << 20) << "what was drained and what the sockets' buffers hold";
  EXPECT_THAT(ask_raw(kAsk), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerHostileTest, AThousandConnectionsKeepNobodyOut) {
  serve();
  std::vector<TcpTestClient> idle;
  for (int i = 0; i < 1000; ++i) {
    idle.emplace_back(port_);
    if (i % 2 == 0) idle.back().send("GET /metrics HTTP/1.1\r\nX: ");
    if (i % 100 == 99) {
      EXPECT_THAT(ask_raw(kAsk), StartsWith("HTTP/1.1 200 "));
    }
  }
  ASSERT_TRUE(eventually([this] { return stats().clients_accepted == 1010; }));
  const ServerStats seen = stats();
  EXPECT_EQ(seen.requests, 10U);
  EXPECT_GE(seen.clients_displaced, 1000U - 32U);
  EXPECT_EQ(seen.requests_dropped, seen.clients_displaced);
}

TEST_F(HttpServerHostileTest, OneHostDoesNotPushOutAnother) {
  keep_ = true;
  ServerLimits limits = patient_http();
  limits.max_clients = 4;
  serve(limits);
  const TcpTestClient other(port_, "127.0.0.2");
  ASSERT_TRUE(other.send("GET /metrics HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([this] { return stats().requests == 1; }));
  std::vector<TcpTestClient> many;
  for (int i = 0; i < 20; ++i) {
    many.emplace_back(port_);
    ASSERT_TRUE(many.back().send("GET /metrics HTTP/1.1\r\n\r\n"));
  }
  ASSERT_TRUE(eventually([this] { return stats().clients_accepted == 21; }));
  reactor_.post([this] { kept_.at(0)(std::string("yours")); });
  EXPECT_EQ(HttpReply(other.receive_all().text).body, "yours");
}

TEST_F(HttpServerHostileTest, AReplyThatIsTooLargeIsNotSent) {
  large_ = true;
  ServerLimits limits = patient_http();
  limits.max_reply_bytes = 1 << 20;
  serve(limits);
  EXPECT_EQ(ask_raw("GET /metrics HTTP/1.1\r\n\r\n"), "");
  EXPECT_EQ(stats().replies_dropped, 1U);
}

TEST_F(HttpServerHostileTest, WhoLeavesIsCounted) {
  serve();
  {
    const TcpTestClient gone(port_);
    ASSERT_TRUE(gone.send("GET /me"));
  }
  ASSERT_TRUE(eventually([this] { return stats().requests_dropped == 1; }));
}

TEST_F(HttpServerHostileTest, TheServerMayEndBeforeItsClients) {
  keep_ = true;
  serve();
  const TcpTestClient client(port_);
  ASSERT_TRUE(client.send("GET /metrics HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([this] { return stats().requests == 1; }));
  TearDown();
  EXPECT_EQ(client.receive_all().text, "");
  EXPECT_FALSE(kept_.at(0).wanted());
  kept_[0](std::string("nobody is there"));
}

}  // namespace
}  // namespace tcpeek::ipc
