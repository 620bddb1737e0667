// What HTTP clients get: pages, forms, methods, versions.
#include "ipc/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/ipc/http_server_fixture.h"

namespace tcpeek::ipc {
namespace {

using namespace test;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kOpenMetrics = "Accept: application/openmetrics-text; version=1.0.0\r\n";

TEST_F(HttpServerTest, MetricsInTheFormAskedFor) {
  serve();
  HttpReply reply = ask("GET /metrics");
  EXPECT_EQ(reply.status, "HTTP/1.1 200 OK");
  EXPECT_EQ(reply.body, "<METRICS prometheus>");
  EXPECT_EQ(reply.fields["Content-Type"], "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(reply.fields["Content-Length"], std::to_string(reply.body.size()));
  EXPECT_EQ(reply.fields["Connection"], "close");
  EXPECT_FALSE(reply.fields.contains("Content-Encoding"));
  reply = ask("GET /metrics", std::string(kOpenMetrics) + "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(reply.body, "<METRICS openmetrics gzip>");
  EXPECT_EQ(reply.fields["Content-Type"],
            "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(reply.fields["Content-Encoding"], "gzip");
  EXPECT_EQ(reply.fields["Vary"], "Accept, Accept-Encoding");
  reply = ask("GET /metrics",
              "Accept: text/plain;q=0.1\r\naccept: application/openmetrics-text;q=0.2\r\n");
  EXPECT_EQ(reply.body, "<METRICS openmetrics>") << "one field in two lines";
}

TEST_F(HttpServerTest, HeadIsTheSameWithoutTheBody) {
  serve();
  HttpReply reply = ask("HEAD /metrics");
  EXPECT_EQ(reply.status, "HTTP/1.1 200 OK");
  EXPECT_EQ(reply.body, "");
  EXPECT_EQ(reply.fields["Content-Length"],
            std::to_string(std::string("<METRICS prometheus>").size()));
  EXPECT_EQ(ask("HEAD /healthz").body, "");
  EXPECT_EQ(ask("HEAD /nothing").body, "");
}

TEST_F(HttpServerTest, HealthIsToldWithItsReason) {
  serve();
  HttpReply reply = ask("GET /healthz");
  EXPECT_EQ(reply.status, "HTTP/1.1 200 OK");
  EXPECT_EQ(reply.body, "ok\n");
  std::promise<void> changed;
  reactor_.post([&] {
    trouble_ = "the readers have not answered for 5 s";
    changed.set_value();
  });
  changed.get_future().wait();
  reply = ask("GET /healthz", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(reply.status, "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(reply.body, "the readers have not answered for 5 s\n");
  EXPECT_FALSE(reply.fields.contains("Content-Encoding"));
}

TEST_F(HttpServerTest, NothingElseIsThere) {
  serve();
  for (const char* target : {"/", "/metrics/", "/favicon.ico", "/../etc/passwd", "*"}) {
    EXPECT_EQ(ask(std::string("GET ") + target).status, "HTTP/1.1 404 Not Found") << target;
  }
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"}) {
    HttpReply reply = ask(std::string(method) + " /metrics");
    EXPECT_EQ(reply.status, "HTTP/1.1 405 Method Not Allowed") << method;
    EXPECT_EQ(reply.fields["Allow"], "GET, HEAD");
  }
  EXPECT_EQ(stats().requests, 11U);
  EXPECT_EQ(stats().requests_dropped, 0U);
}

TEST_F(HttpServerTest, TheOlderVersionOfHttp) {
  serve();
  const HttpReply reply(ask_raw("GET /metrics HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(reply.status, "HTTP/1.0 200 OK");
  EXPECT_EQ(reply.body, "<METRICS prometheus>");
}

TEST_F(HttpServerTest, ARequestInPieces) {
  serve();
  const TcpTestClient client(port_);
  for (const char c : std::string("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")) {
    ASSERT_TRUE(client.send({&c, 1}));
    std::this_thread::yield();
  }
  EXPECT_EQ(HttpReply(client.receive_all().text).body, "<METRICS prometheus>");
}

TEST_F(HttpServerTest, OneRequestOnAConnection) {
  serve();
  const std::string once = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  std::string often;
  for (int i = 0; i < 200; ++i) often += once;
  EXPECT_EQ(HttpReply(ask_raw(often)).body, "<METRICS prometheus>");
  EXPECT_EQ(HttpReply(ask_raw("GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")).body,
            "ok\n");
  EXPECT_EQ(stats().requests, 2U);
}

TEST_F(HttpServerTest, AReplyThatComesLaterAndOnlyOnce) {
  keep_ = true;
  serve();
  const TcpTestClient client(port_);
  ASSERT_TRUE(client.send("GET /metrics HTTP/1.1\r\n\r\n"));
  ASSERT_TRUE(eventually([this] { return stats().requests == 1; }));
  reactor_.post([this] {
    EXPECT_TRUE(kept_.at(0).wanted());
    kept_[0](std::string("first"));
    EXPECT_FALSE(kept_[0].wanted());
    kept_[0](std::string("second"));
  });
  EXPECT_EQ(HttpReply(client.receive_all().text).body, "first");
}

TEST_F(HttpServerTest, ALargeReplyArrivesWhole) {
  large_ = true;
  serve();
  EXPECT_EQ(ask("GET /metrics").body.size(), std::size_t{8} << 20);
}

TEST(TcpListener, SaysWhereItIsAndWhyItIsNot) {
  const UniqueFd first = listen_on("127.0.0.1", 0);
  const std::string address = address_of(first.get());
  EXPECT_THAT(address, StartsWith("127.0.0.1:"));
  const auto port = static_cast<std::uint16_t>(std::stoul(address.substr(10)));
  try {
    static_cast<void>(listen_on("127.0.0.1", port));
    FAIL() << "two listen on one port";
  } catch (const std::system_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot serve metrics on " + address));
  }
  EXPECT_THROW(static_cast<void>(listen_on("host.example", 80)), std::system_error);
  EXPECT_THROW(static_cast<void>(listen_on("192.0.2.1", 80)), std::system_error);
}

TEST(TcpListener, SpeaksIpv6) {
  try {
    EXPECT_THAT(address_of(listen_on("::1", 0).get()), StartsWith("[::1]:"));
  } catch (const std::system_error&) {
    GTEST_SKIP() << "this machine has no IPv6";
  }
}

}  // namespace
}  // namespace tcpeek::ipc
