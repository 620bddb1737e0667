// The command line of METRICS: where they are served, and what they tell.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "engine/config/options.h"
#include "tests/engine/config/command_line.h"

namespace tcpeek::engine {
namespace {

using ::testing::HasSubstr;

TEST(Options, where_metrics_are_served) {
  const auto listen = [](const char* text) {
    return options_of({"--metrics-listen", text}).metrics_listen.value();
  };
  for (const auto& [text, address, port] :
       {std::tuple{"192.0.2.1:9475", "192.0.2.1", 9475}, std::tuple{"0.0.0.0:1", "0.0.0.0", 1},
        std::tuple{"[::1]:9475", "::1", 9475}, std::tuple{"[::]:65535", "::", 65535},
        std::tuple{":9475", "127.0.0.1", 9475}, std::tuple{"9475", "127.0.0.1", 9475}}) {
    EXPECT_FALSE(listen(text).inherited);
    EXPECT_EQ(listen(text).address, address);
    EXPECT_EQ(listen(text).port, port);
  }
  EXPECT_TRUE(listen("systemd").inherited);
  EXPECT_EQ(options_of({}).metrics_listen.has_value(), false);
  for (const char* wrong :
       {"", "0", "65536", ":", ":0", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "localhost:80",
        "::1:9475", "[::1]", "[::1]9475", "[::1:9475", "[127.0.0.1]:80", "[]:80", "192.0.2.1/32:80",
        "Systemd", "9475 ", "http://127.0.0.1:80"}) {
    EXPECT_THAT(message_of({"--metrics-listen", wrong}),
                HasSubstr("is not ADDRESS:PORT with a numeric address (IPv6 in brackets)"))
        << wrong;
  }
}

TEST(Options, memory_at_start_or_as_traffic_needs_it) {
  EXPECT_FALSE(options_of({}).prefault);
  EXPECT_TRUE(options_of({"--prefault"}).prefault);
}

TEST(Options, what_metrics_tell) {
  EXPECT_EQ(options_of({}).metrics_services, 50U);
  EXPECT_EQ(options_of({"--metrics-services", "0"}).metrics_services, 0U);
  EXPECT_EQ(options_of({"--metrics-services", "100"}).metrics_services, 100U);
  EXPECT_FALSE(options_of({}).metrics_services_tx);
  EXPECT_FALSE(options_of({}).metrics_exemplars);
  EXPECT_TRUE(options_of({"--metrics-services-tx"}).metrics_services_tx);
  EXPECT_TRUE(options_of({"--metrics-exemplars"}).metrics_exemplars);
}

}  // namespace
}  // namespace tcpeek::engine
