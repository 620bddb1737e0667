// Paths of the page's server, and whom it answers.
#include "ipc/web_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpeek::ipc {
namespace {

using ::testing::HasSubstr;
using Kind = WebRequest::Kind;

TEST(WebRequest, PathsStandForRequestsOfTheSocket) {
  const auto of = [](std::string_view target) { return web_request_of(target).text; };
  EXPECT_EQ(web_request_of("/").kind, Kind::page);
  EXPECT_EQ(web_request_of("/?from=elsewhere").kind, Kind::page);
  EXPECT_EQ(web_request_of("/api/services").kind, Kind::services);
  EXPECT_EQ(web_request_of("/api/watch").kind, Kind::events);
  EXPECT_EQ(of("/api/stats"), "STATS");
  EXPECT_EQ(of("/api/explain?"), "EXPLAIN");
  EXPECT_EQ(of("/api/top?n=20&by=pair"), "TOP 20 by=pair");
  EXPECT_EQ(of("/api/top?by=pair&n=20"), "TOP 20 by=pair") << "in the socket's order";
  EXPECT_EQ(of("/api/history?seconds=60"), "HISTORY 60");
  EXPECT_EQ(of("/api/watch?result=timeout,refused&from=7"),
            "WATCH json result=timeout,refused from=7");
}

TEST(WebRequest, OtherPathsAreNone) {
  for (const char* target : {"", "/api", "/api/", "/api/get", "/api/refresh", "/api/reload",
                             "/api/stats/", "//", "/..", "/API/STATS", "http://h/api/stats", "*"}) {
    EXPECT_EQ(web_request_of(target).kind, Kind::none) << target;
  }
}

TEST(WebRequest, WhatIsNoValueIsRefusedWithWhatIsAllowed) {
  for (const char* target :
       {"/api/top?n=", "/api/top?n=1&n=2", "/api/top?x=1", "/api/top?n", "/api/top?=1",
        "/api/top?n=1%0aGET", "/api/history?seconds=1 2", "/api/history?seconds=-1",
        "/api/watch?from=1;2", "/api/stats?x=1", "/api/top?n=\n"}) {
    EXPECT_EQ(web_request_of(target).kind, Kind::mistake) << target;
  }
  EXPECT_EQ(web_request_of("/api/top?n=" + std::string(65, '1')).kind, Kind::mistake);
  EXPECT_THAT(web_request_of("/api/top?x=1").text, HasSubstr("allowed are n= by="));
  EXPECT_THAT(web_request_of("/api/stats?x=1").text, HasSubstr("no parameters"));
}

TEST(WebRequest, OnlyNamesThatNobodyElseCanPointHere) {
  for (const char* host : {"localhost", "LocalHost:9475", "127.0.0.1", "127.9.8.7:1", "[::1]",
                           "[::1]:9475", "10.0.0.5:9475", "10.0.0.5"}) {
    EXPECT_TRUE(is_own_host(host, "10.0.0.5")) << host;
  }
  EXPECT_TRUE(is_own_host("[2001:DB8:0::5]:80", "2001:db8::5"));
  EXPECT_TRUE(is_own_host("[::ffff:10.0.0.5]", "10.0.0.5"));
  for (const char* host : {"",
                           "evil.example",
                           "localhost.evil.example",
                           "evil.localhost",
                           "127.0.0.1.evil.example",
                           "10.0.0.6",
                           "0.0.0.0",
                           "[::]",
                           "[::1",
                           "::1",
                           "localhost:",
                           "localhost:123456",
                           "localhost:8a",
                           "localhost,evil.example",
                           "localhost evil",
                           "[::1]x",
                           "2130706433",
                           "0x7f.1",
                           "127.1",
                           "user@localhost"}) {
    const bool is_port = std::string_view(host) == "localhost:";  // RFC 3986 allows an empty one
    EXPECT_EQ(is_own_host(host, "10.0.0.5"), is_port) << host;
  }
  EXPECT_FALSE(is_own_host("10.0.0.5", "")) << "the client has left";
}

TEST(WebRequest, PagesOfOtherSites) {
  EXPECT_FALSE(comes_from_elsewhere(""));
  EXPECT_FALSE(comes_from_elsewhere("none"));
  EXPECT_FALSE(comes_from_elsewhere("same-origin"));
  EXPECT_TRUE(comes_from_elsewhere("same-site"));
  EXPECT_TRUE(comes_from_elsewhere("cross-site"));
}

}  // namespace
}  // namespace tcpeek::ipc
