// Names of ports out of services(5).
#include "engine/base/service_names.h"

#include <gtest/gtest.h>

namespace tcpeek::engine {
namespace {

TEST(ServiceNames, TcpPortsByNumber) {
  EXPECT_EQ(service_names_json("# a comment\n"
                               "https\t443/tcp  # HTTP over TLS\n"
                               "ssh 22/tcp\r\n"
                               "domain 53/udp\n"
                               "www 80/tcp http\n"
                               "other 80/tcp"),
            R"({"22":"ssh","80":"www","443":"https"})");
}

TEST(ServiceNames, WhatIsNoLineOfItIsPassedOver) {
  EXPECT_EQ(service_names_json("x\ny 0/tcp\nz 65536/tcp\n\"q 1/tcp\n</script> 2/tcp\nw /tcp\nv "
                               "3/tcp/tcp\n" +
                               std::string(33, 'n') + " 4/tcp\n"),
            "{}");
  EXPECT_EQ(service_names_json(""), "{}");
}

TEST(ServiceNames, ThoseOfThisHostAreJson) {
  const std::string names = service_names_here();
  EXPECT_TRUE(names.starts_with("{") && names.ends_with("}"));
}

}  // namespace
}  // namespace tcpeek::engine
