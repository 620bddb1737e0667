// Numbers in place of addresses, for output that is sent to somebody (--redact): the same number for the same
// address throughout a run, in the order in which they come, so that they tell nothing but who is the same.
//
//   IPv4   240.N.N.H   N: its /24 network, H: the host in it
//   IPv6   100:N:N::H  N: its /48 network
//
// Those are of reserved ranges (RFC 1112, RFC 4291), so that nobody takes them for real ones. A network (no bits
// of the host) stays one, `0.0.0.0` and `::` stay as they are. Ports stay.
//
// Thread contract: of one thread.
// Bounds: kMostNumbers numbers; what comes after that shares the last one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "ipc/outcome_event.h"

namespace tcpeek::engine {

class Redactor {
 public:
  static constexpr std::size_t kMostNumbers = std::size_t{1} << 20;

  // Every address in the text replaced, in whatever notation, and whatever stands around it: names of filters and
  // files may have some in them. Not for a text that was redacted already.
  [[nodiscard]] std::string text(std::string_view text);
  void event(ipc::OutcomeEvent& event);

 private:
  using Bytes = std::array<std::uint8_t, 16>;
  struct Network {
    std::uint32_t number = 0;
    std::map<Bytes, std::uint32_t> hosts;
  };
  struct Numbers {
    std::uint32_t network = 0;
    std::uint32_t host = 0;  // 0: none
  };
  using Networks = std::map<Bytes, Network>;

  // The replacement of the address that the text begins with, and how long that is; 0: none.
  struct Found {
    std::size_t length = 0;
    std::string replacement;
  };
  [[nodiscard]] Found find_v4(std::string_view text);
  [[nodiscard]] Found find_v6(std::string_view text);
  [[nodiscard]] std::string replace_v4(const std::uint8_t* address);
  [[nodiscard]] std::string replace_v6(const Bytes& address);
  [[nodiscard]] Numbers number(Networks& networks, const Bytes& network, const Bytes& host);

  Networks v4_;
  Networks v6_;
  std::size_t numbers_ = 0;
  std::map<ipc::SharedFilters, ipc::SharedFilters> filters_;  // redacted
};

}  // namespace tcpeek::engine
