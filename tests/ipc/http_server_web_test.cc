// The page, the replies it asks for, and those that have no end: who gets them, who does not, and what slow and
// many clients of them cost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "ipc/json_text.h"
#include "tests/ipc/http_server_fixture.h"

namespace tcpeek::ipc {
namespace {

using namespace test;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kWatch = "GET /api/watch HTTP/1.1\r\nHost: localhost\r\n\r\n";

class HttpServerWebTest : public HttpServerTest {
 protected:
  void serve_page(ServerLimits limits = patient_http()) {
    web_ = HttpServer::Web{
        .page = std::string("<html>"),
        .policy = "default-src 'none'",
        .services = std::string(R"({"443":"https"})"),
        .boot = "b1",
        .ask = [this](std::string line, const Reply& reply) { reply_to(std::move(line), reply); }};
    serve(limits);
  }

  // On the reactor's thread.
  void reply_to(std::string line, const Reply& reply) {
    asked_.push_back(line);
    if (!line.starts_with("WATCH")) return reply("<" + line + ">");
    const auto stream = reply.stream([this](std::string& piece) {
      if (endless_) piece.assign(std::size_t{64} << 10, 'x');
      piece += lines_;
    });
    if (!stream) return reply(error_reply("as many as may be"));
    streams_.push_back(stream);
    stream->wake();
  }

  // From a thread that is not the reactor's: does it there.
  template <typename Fn>
  void on_reactor(Fn fn) {
    std::promise<void> done;
    reactor_.post([&] {
      fn();
      done.set_value();
    });
    done.get_future().get();
  }

  HttpReply get(const std::string& path, const std::string& fields = "Host: localhost\r\n") {
    return HttpReply(ask_raw("GET " + path + " HTTP/1.1\r\n" + fields + "\r\n"));
  }

  std::vector<std::string> asked_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::string lines_;
  bool endless_ = false;
};

TEST_F(HttpServerWebTest, ThePageHasItsPolicy) {
  serve_page();
  HttpReply reply = get("/");
  EXPECT_EQ(reply.status, "HTTP/1.1 200 OK");
  EXPECT_EQ(reply.body, "<html>");
  EXPECT_EQ(reply.fields["Content-Type"], "text/html; charset=utf-8");
  EXPECT_EQ(reply.fields["Content-Security-Policy"], "default-src 'none'");
  EXPECT_EQ(reply.fields["X-Content-Type-Options"], "nosniff");
  EXPECT_EQ(reply.fields.count("Access-Control-Allow-Origin"), 0U);
}

TEST_F(HttpServerWebTest, WithoutItThereIsNone) {
  serve();
  for (const char* path : {"/", "/api/stats", "/api/watch"}) {
    EXPECT_EQ(get(path).status, "HTTP/1.1 404 Not Found") << path;
  }
}

TEST_F(HttpServerWebTest, RepliesAreThoseOfTheSocket) {
  serve_page();
  EXPECT_EQ(get("/api/top?n=3").body, "<TOP 3>");
  EXPECT_EQ(get("/api/services").body, R"({"443":"https"})");
  HttpReply reply = get("/api/stats");
  EXPECT_EQ(reply.body, "<STATS>");
  EXPECT_EQ(reply.fields["Content-Type"], "application/json");
  EXPECT_EQ(get("/api/top?n=x%20y").status, "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(get("/api/reload").status, "HTTP/1.1 404 Not Found");
}

TEST_F(HttpServerWebTest, OnlyForThoseWhoAskForThisHost) {
  serve_page();
  for (const char* fields :
       {"", "Host: evil.example\r\n", "Host:\r\n", "Host: localhost\r\nHost: evil.example\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"}) {
    EXPECT_EQ(get("/api/stats", fields).status, "HTTP/1.1 403 Forbidden") << fields;
    EXPECT_EQ(get("/api/watch", fields).status, "HTTP/1.1 403 Forbidden") << fields;
  }
  EXPECT_EQ(get("/", "Host: evil.example\r\n").status, "HTTP/1.1 403 Forbidden");
  EXPECT_EQ(get("/", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n").status, "HTTP/1.1 200 OK")
      << "a link to it";
  EXPECT_EQ(get("/metrics", "Host: scraped.example\r\n").status, "HTTP/1.1 200 OK")
      << "metrics are scraped by any name";
  EXPECT_TRUE(streams_.empty());
}

TEST_F(HttpServerWebTest, ResumesWhereItWas) {
  serve_page();
  const TcpTestClient client(port_);
  client.send(
      "GET /api/watch?result=failure&from=2 HTTP/1.1\r\nHost: localhost\r\n"
      "Last-Event-ID: b1.41\r\n\r\n");
  ASSERT_TRUE(eventually([this] { return stats().watchers == 1; }));
  on_reactor([this] { EXPECT_EQ(asked_.back(), "WATCH json result=failure from=42"); });
}

TEST_F(HttpServerWebTest, EventsAreSentAsTheyCome) {
  serve_page();
  const TcpTestClient client(port_);
  client.send(kWatch);
  ASSERT_TRUE(eventually([this] { return stats().watchers == 1; }));
  on_reactor([this] {
    lines_ = "{\"event\":\"outcome\",\"boot\":\"b1\",\"seq\":7}\n";
    streams_.back()->wake();
    lines_.clear();
    server_.reset();
  });
  const std::string text = client.receive_all().text;
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
  EXPECT_THAT(text, HasSubstr("id: b1.7\ndata: {\"event\":"));
}

TEST_F(HttpServerWebTest, ManyWatchersLeaveRoomForThoseWhoAsk) {
  ServerLimits limits = patient_http();
  limits.max_streams = 3;
  limits.max_clients = 4;
  serve_page(limits);
  std::deque<TcpTestClient> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(port_).send(kWatch);
  ASSERT_TRUE(eventually([this] { return stats().watchers == 3; }));
  const HttpReply refused(ask_raw(kWatch));
  EXPECT_EQ(refused.status, "HTTP/1.1 503 Service Unavailable");
  EXPECT_EQ(get("/api/stats").body, "<STATS>");
  const ServerStats seen = stats();
  EXPECT_EQ(seen.watchers_refused, 1U);
  EXPECT_EQ(seen.clients_displaced, 0U);
}

TEST_F(HttpServerWebTest, OneThatNeverReadsIsClosedAndHoldsOnePiece) {
  ServerLimits limits = patient_http();
  limits.stream_stall = 200ms;
  endless_ = true;
  serve_page(limits);
  const TcpTestClient stuck(port_);
  stuck.send(kWatch);
  EXPECT_EQ(get("/api/stats").body, "<STATS>") << "meanwhile";
  ASSERT_TRUE(eventually([this] { return stats().watchers_stalled == 1; }));
  EXPECT_EQ(stats().watchers, 0U);
}

TEST_F(HttpServerWebTest, OneThatHasEndedItsSendingSideStillListens) {
  serve_page();
  const TcpTestClient client(port_);
  client.send(kWatch);
  client.end_sending();
  ASSERT_TRUE(eventually([this] { return stats().watchers == 1; }));
  on_reactor([this] {
    lines_ = "{\"boot\":\"b1\",\"at\":1}\n";
    streams_.back()->wake();
    lines_.clear();
    EXPECT_TRUE(streams_.back()->is_open());
    server_.reset();
  });
  EXPECT_THAT(client.receive_all().text, HasSubstr("data: {\"boot\":\"b1\",\"at\":1}"));
}

TEST_F(HttpServerWebTest, OneThatIsGoneIsNoticedByWhatItIsSent) {
  serve_page();
  {
    const TcpTestClient client(port_);
    client.send(kWatch);
    ASSERT_TRUE(eventually([this] { return stats().watchers == 1; }));
  }
  EXPECT_TRUE(eventually([this] {
    on_reactor([this] {
      lines_ = "{\"boot\":\"b1\",\"at\":1}\n";
      streams_.back()->wake();
      lines_.clear();
    });
    return stats().watchers == 0;
  }));
}

TEST_F(HttpServerWebTest, AHeadOfAStreamIsRefused) {
  serve_page();
  EXPECT_THAT(ask_raw("HEAD /api/watch HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
}

}  // namespace
}  // namespace tcpeek::ipc
