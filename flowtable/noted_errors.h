// ICMP errors that attempts have noted: an attempt has room for when one came, not for what it said. Kept by
// 4-tuple and the number that was quoted. Four places for each of 256 values of a keyed hash; the oldest of
// them is displaced, and its attempt ends as unreachable all the same, without the details.
//
// Thread contract: owned by one reader. Nothing here allocates after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "flowtable/icmp_error.h"
#include "flowtable/segment.h"

namespace tcpeek::flowtable {

class NotedErrors {
 public:
  static constexpr std::size_t kMost = 1024;

  NotedErrors() : places_(kMost) {}

  // `error` quotes a SYN; the latest about it counts.
  void note(const Segment& error, std::uint64_t hash) noexcept {
    Place* chosen = nullptr;
    for (std::size_t i = first_place(hash); i < first_place(hash) + kWays; ++i) {
      Place& place = places_[i];
      if (place.isn == error.sequence && place.key == error.key) {
        chosen = &place;
        break;
      }
      if (chosen == nullptr || place.at < chosen->at) chosen = &place;
    }
    *chosen = {error.key, error.sequence, error.time, error.icmp_error()};
  }

  // nullptr if it was displaced; valid until the next call of note().
  [[nodiscard]] const IcmpError* find(const FlowKey& key, std::uint32_t isn,
                                      std::uint64_t hash) const noexcept {
    for (std::size_t i = first_place(hash); i < first_place(hash) + kWays; ++i) {
      const Place& place = places_[i];
      if (place.isn == isn && place.key == key && place.at != PacketTime::min())
        return &place.error;
    }
    return nullptr;
  }

 private:
  static constexpr std::size_t kWays = 4;

  struct Place {
    FlowKey key{};
    std::uint32_t isn = 0;
    PacketTime at = PacketTime::min();  // nothing is kept
    IcmpError error{};
  };

  static std::size_t first_place(std::uint64_t hash) noexcept {
    return (hash >> 20) % (kMost / kWays) * kWays;
  }

  std::vector<Place> places_;
};

}  // namespace tcpeek::flowtable
