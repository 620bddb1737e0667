// Which hop limits the SYN/ACKs of a responder carry, to tell whether a RST in its name is as many hops away
// as it is: a firewall or another device on the way mostly is not.
//
// Several backends behind one address answer from several distances, so four are kept for each address, and
// a RST is suspect only if it is like none of them. Bounded: 4,096 addresses, one for each value of a hash;
// one that is displaced is unknown.
//
// Thread contract: owned by one reader. Nothing here allocates after construction.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "flowtable/flow_key.h"
#include "flowtable/outcome.h"
#include "flowtable/page_array.h"

namespace tcpeek::flowtable {

class HopWitness {
 public:
  void saw_synack(const IpAddress& responder, std::uint8_t hop_limit) noexcept {
    Place& place = places_[place_of(responder, kPlaceBits)];
    if (is_same(place.address, responder) && place.hops[0] == hop_limit) [[likely]]
      return;
    learn(place, responder, hop_limit);
  }

  [[nodiscard]] RstSender sender_of(const IpAddress& responder,
                                    std::uint8_t hop_limit) const noexcept {
    const Place& place = places_[place_of(responder, kPlaceBits)];
    if (place.known == 0 || !is_same(place.address, responder)) return RstSender::unknown;
    const auto* const end = place.hops.begin() + place.known;
    const bool alike = std::find(place.hops.begin(), end, hop_limit) != end;
    return alike ? RstSender::responder : RstSender::suspect;
  }

 private:
  static constexpr unsigned kPlaceBits = 12;
  static constexpr std::size_t kHops = 4;

  struct Place {
    IpAddress address{};
    std::array<std::uint8_t, kHops> hops{};  // the latest first
    std::uint8_t known = 0;
  };

  static void learn(Place& place, const IpAddress& responder, std::uint8_t hop_limit) noexcept {
    if (!is_same(place.address, responder)) place = {responder, {}, 0};
    auto* const end = place.hops.begin() + place.known;
    auto* at = std::find(place.hops.begin(), end, hop_limit);
    if (at == end) {
      if (place.known < kHops) ++place.known;
      at = place.hops.begin() + place.known - 1;
    }
    std::move_backward(place.hops.begin(), at, at + 1);
    place.hops[0] = hop_limit;
  }

  PageArray<Place> places_{std::size_t{1} << kPlaceBits, PageArray<Place>::Untouched()};
};

}  // namespace tcpeek::flowtable
