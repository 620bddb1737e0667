// A line of WATCH, as far as forwarding it needs to know: which event it is, and of what.
//
// How it works: rapidjson reads the line once, without building a tree; what is not needed is only checked. Where
// addresses stand is noted, so that redacting replaces them in the text and leaves the rest to the byte.
//
// Thread contract: pure functions.
// Bounds: lines of kMostBytes. What is no JSON object of one of the forms that WATCH has is malformed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/address_permutation.h"

namespace tcpeek::forward {

inline constexpr std::size_t kMostLineBytes = std::size_t{64} << 10;

enum class LineKind : std::uint8_t {
  success,
  failure,
  change,
  gap,       // an event: something is not known
  unkept,    // {"gap":{"from":…,"to":…}}: events that came too fast, or are not kept
  position,  // {"boot":…,"at":…}
  error,
};

struct WatchLine {
  LineKind kind = LineKind::error;
  std::string boot;             // an event's and a position's
  std::uint64_t seq = 0;        // an event's; of a position: how far; of unkept ones: the last
  std::uint64_t first = 0;      // of unkept ones
  std::string word;             // result, change, gap; the text of an error
  std::string service_address;  // of an outcome
  std::uint16_t service_port = 0;
  bool responder_local = false;  // it counts under RX, under TX
  bool initiator_local = false;
  std::chrono::microseconds duration{0};
  bool timed = false;  // its duration is that of a handshake

  // Where an address stands, without quotes; of a service (rx 192.0.2.1:443) all of it.
  struct Place {
    std::size_t begin = 0;
    std::size_t size = 0;
    bool service = false;
  };
  std::vector<Place> addresses;
};

// None: it is malformed.
[[nodiscard]] std::optional<WatchLine> parse_watch_line(std::string_view text);

// The line with its addresses replaced, of which the parsed one keeps that of the service. None: what stands
// there is no address.
[[nodiscard]] std::optional<std::string> redacted(std::string_view text, WatchLine& parsed,
                                                  const engine::AddressPermutation& redactor);

}  // namespace tcpeek::forward
