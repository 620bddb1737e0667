// Of which of this host's own addresses SYN/ACKs were captured lately: an ACK to a SYN/ACK of such an
// address, which was not captured, is nobody's proof ("unanswered_ack" in tcpeek(8), REASONS).
//
// Hosts have few addresses, so a few places do, each for the addresses of one hash. One that is displaced
// counts as not seen, and its SYN/ACKs as possibly missed.
//
// Thread contract: owned by one reader. Nothing here allocates.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "flowtable/flow_key.h"
#include "flowtable/time.h"

namespace tcpeek::flowtable {

class SynackWitness {
 public:
  static constexpr std::chrono::minutes kLately{1};

  void saw(const IpAddress& address, PacketTime at) noexcept {
    places_[place_of(address, kPlaceBits)] = {address, at};
  }

  [[nodiscard]] bool has_seen(const IpAddress& address, PacketTime now) const noexcept {
    const Place& place = places_[place_of(address, kPlaceBits)];
    return is_same(place.address, address) && now <= place.at + kLately;
  }

 private:
  struct Place {
    IpAddress address{};
    PacketTime at{};
  };
  static constexpr unsigned kPlaceBits = 6;

  std::array<Place, std::size_t{1} << kPlaceBits> places_{};
};

}  // namespace tcpeek::flowtable
