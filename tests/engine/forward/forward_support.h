// Lines as tcpeek tells them, for the tests of tcpeek-forward.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace tcpeek::forward {

inline constexpr std::string_view kBoot = "0123456789abcdef";

inline std::string outcome_line(std::uint64_t seq, std::string_view result = "success",
                                std::string_view server = "192.0.2.1",
                                std::string_view boot = kBoot) {
  return fmt::format(
      R"({{"event":"outcome","boot":"{}","seq":{},"duration_seconds":0.000250,)"
      R"("initiator":{{"address":"198.51.100.7","port":4000}},)"
      R"("responder":{{"address":"{}","port":443}},"result":"{}","cause":"","half_seen":false,)"
      R"("late_proof":false,"filters":["RX"],"client.address":"198.51.100.7","client.port":4000,)"
      R"("server.address":"{}","server.port":443}})",
      boot, seq, server, result, server);
}

}  // namespace tcpeek::forward
