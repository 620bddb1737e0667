// What the ICMP errors said that attempts have noted.
//
// An attempt has room for a number only, so each distinct error (sender, type, code) is kept once: in an
// outage there are very many errors and few different ones. A number names a place and how often that was
// reused, so one that is out of date names nothing, and the attempt ends as unreachable without the details.
// Bounded: 16,384 different errors, four places for each of 4,096 values of a hash; of four the one that was
// noted longest ago is displaced.
//
// Thread contract: owned by one reader. Nothing here allocates after construction; pages take memory as they
// are first written.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "flowtable/icmp_error.h"
#include "flowtable/page_array.h"

namespace tcpeek::flowtable {

class NotedErrors {
 public:
  static constexpr std::size_t kMost = 16'384;

  [[nodiscard]] std::uint32_t note(const IcmpError& error) noexcept {
    const std::size_t first = first_place(error);
    std::size_t chosen = first;
    for (std::size_t i = first; i < first + kWays; ++i) {
      if (places_[i].stamp != 0 && places_[i].error == error) return refreshed(i);
      if (places_[i].noted < places_[chosen].noted) chosen = i;
    }
    Place& place = places_[chosen];
    place.error = error;
    place.stamp = (place.stamp + 1) & kStampMask;
    if (place.stamp == 0) place.stamp = 1;
    return refreshed(chosen);
  }

  // By a number of note(); nullptr if it was displaced. Valid until the next call of note().
  [[nodiscard]] const IcmpError* find(std::uint32_t number) const noexcept {
    const Place& place = places_[number % kMost];
    return place.stamp != 0 && place.stamp == number / kMost ? &place.error : nullptr;
  }

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr std::uint32_t kStampMask = (std::uint32_t{1} << 18) - 1;
  static_assert(std::uint64_t{kMost} * (kStampMask + 1) == std::uint64_t{1} << 32);

  struct Place {
    IcmpError error{};
    std::uint32_t stamp = 0;  // 0: free
    std::uint64_t noted = 0;  // the count of notes then
  };

  [[nodiscard]] std::uint32_t refreshed(std::size_t place) noexcept {
    places_[place].noted = ++notes_;
    return places_[place].stamp * static_cast<std::uint32_t>(kMost) +
           static_cast<std::uint32_t>(place);
  }

  static std::size_t first_place(const IcmpError& error) noexcept {
    const auto words = AddressWords::of(error.router.data());
    const std::uint64_t what = std::uint64_t{error.type} << 8 | error.code;
    const std::uint64_t mixed = (words.high ^ words.low ^ what << 48) * 0x9e37'79b9'7f4a'7c15U;
    static_assert(kMost / kWays == 1U << (64 - 52));
    return (mixed >> 52) * kWays;
  }

  PageArray<Place> places_{kMost, PageArray<Place>::Untouched()};
  std::uint64_t notes_ = 0;
};

// Their numbers, of the few attempts that have no room even for that: they were answered, or SYNs crossed.
// Kept by 4-tuple and the number that was quoted; four places for each of 1,024 values of a keyed hash, the
// oldest displaced. As many as that, since an end may be noticed long after it fell due.
class AnsweredErrors {
 public:
  void note(const FlowKey& key, std::uint32_t isn, std::uint64_t hash,
            std::uint32_t number) noexcept {
    Place* const first = &places_[first_place(hash)];
    Place* const same = std::find_if(first, first + kWays, [&](const Place& place) {
      return place.noted != 0 && place.isn == isn && place.key == key;
    });
    Place* const oldest = std::min_element(
        first, first + kWays, [](const Place& a, const Place& b) { return a.noted < b.noted; });
    *(same != first + kWays ? same : oldest) = {key, isn, number, ++notes_};
  }

  // 0 if it was displaced.
  [[nodiscard]] std::uint32_t find(const FlowKey& key, std::uint32_t isn,
                                   std::uint64_t hash) const noexcept {
    for (std::size_t i = first_place(hash); i < first_place(hash) + kWays; ++i) {
      const Place& place = places_[i];
      if (place.noted != 0 && place.isn == isn && place.key == key) return place.number;
    }
    return 0;
  }

 private:
  static constexpr std::size_t kMost = 4096;
  static constexpr std::ptrdiff_t kWays = 4;

  struct Place {
    FlowKey key{};
    std::uint32_t isn = 0;
    std::uint32_t number = 0;
    std::uint64_t noted = 0;  // 0: free
  };

  static std::size_t first_place(std::uint64_t hash) noexcept {
    return (hash >> 20) % (kMost / kWays) * kWays;
  }

  PageArray<Place> places_{kMost, PageArray<Place>::Untouched()};
  std::uint64_t notes_ = 0;
};

}  // namespace tcpeek::flowtable
