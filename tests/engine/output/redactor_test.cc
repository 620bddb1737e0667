// Addresses give way to numbers, wherever they stand and however they are written.
#include "engine/output/redactor.h"

#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

TEST(Redactor, TheSameAddressGetsTheSameNumber) {
  Redactor redactor;
  EXPECT_EQ(redactor.text("10.1.1.9 > 10.1.1.8, 10.1.2.9"), "240.0.0.1 > 240.0.0.2, 240.0.1.1");
  EXPECT_EQ(redactor.text("10.1.1.8"), "240.0.0.2");
  EXPECT_EQ(redactor.text("2001:db8:1::5"), "100:0:0::1");
  EXPECT_EQ(redactor.text("2001:DB8:1:0:0:0:0:5"), "100:0:0::1") << "in another notation";
  EXPECT_EQ(redactor.text("2001:db8:2::5"), "100:0:1::1");
}

TEST(Redactor, PortsNetworksAndWhatIsAroundStay) {
  Redactor redactor;
  EXPECT_EQ(redactor.text("rx 10.1.1.9:443"), "rx 240.0.0.1:443");
  EXPECT_EQ(redactor.text("[2001:db8:1::5]:443"), "[100:0:0::1]:443");
  EXPECT_EQ(redactor.text("10.1.1.0/24"), "240.0.0.0/24");
  EXPECT_EQ(redactor.text("2001:db8:1::/48"), "100:0:0::/48");
  EXPECT_EQ(redactor.text("::ffff:10.1.1.9"), "::ffff:240.0.0.1");
  EXPECT_EQ(redactor.text("0.0.0.0 :: "), "0.0.0.0 :: ");
}

TEST(Redactor, AddressesInNamesGo) {
  Redactor redactor;
  EXPECT_EQ(redactor.text("db-10.1.1.9.pcap"), "db-240.0.0.1.pcap");
  EXPECT_EQ(redactor.text("x10.1.1.9x 010.001.001.009"), "x240.0.0.1x 240.0.0.1");
  EXPECT_EQ(redactor.text("xfe80::1%eth0"), "x100:0:0::1%eth0");
}

TEST(Redactor, WhatIsNoAddressStays) {
  Redactor redactor;
  for (const char* text :
       {"12:34:56", "2026-11-27T17:42:17.123456Z", "1.2.3", "256.1.1.1", "1.2.3.4444", "a:b",
        "aa:bb:cc:dd:ee:ff", "0.123", "{\"a\":1,\"b\":[1,2.5,3]}", "TIME(s) |", "1,234.5"}) {
    EXPECT_EQ(redactor.text(text), text);
  }
}

TEST(Redactor, AnEventWithItsNames) {
  Redactor redactor;
  ipc::OutcomeEvent event;
  event.initiator = {"10.1.1.9", 40000};
  event.responder = {"2001:db8::1", 443};
  event.icmp = {.type = 3, .code = 1, .reason = "host", .router = "10.1.1.1"};
  event.filters = ipc::filters_named({"RX", "db-10.1.1.9"});
  const ipc::SharedFilters before = event.filters;
  redactor.event(event);
  EXPECT_EQ(event.initiator.address, "240.0.0.1");
  EXPECT_EQ(event.initiator.port, 40000);
  EXPECT_EQ(event.responder.address, "100:0:0::1");
  EXPECT_EQ(event.icmp->router, "240.0.0.2");
  EXPECT_EQ(event.filters->names()[1], "db-240.0.0.1");
  EXPECT_EQ(before->names()[1], "db-10.1.1.9") << "shared with others";
}

}  // namespace
}  // namespace tcpeek::engine
