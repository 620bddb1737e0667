// Keys, and operations on them in the same order, for every table that is measured.
//
// Thread contract: pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "flowtable/flow_key.h"

namespace tcpeek::bench {

inline constexpr std::size_t kTableKeys = 1'000'000;

// An address of random bits, in IPv4 after the prefix that maps it.
inline flowtable::IpAddress random_address(std::mt19937_64& random, bool ipv6) {
  flowtable::IpAddress address = {};
  if (!ipv6)
    std::copy(flowtable::kMappedPrefix.begin(), flowtable::kMappedPrefix.end(), address.begin());
  for (std::size_t i = ipv6 ? 0 : 12; i < address.size(); ++i) {
    address[i] = static_cast<std::uint8_t>(random());
  }
  return address;
}

inline std::vector<flowtable::FlowKey> random_keys(std::size_t count, bool ipv6,
                                                   std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<flowtable::FlowKey> keys;
  keys.reserve(count);
  while (keys.size() < count) {
    const flowtable::Endpoint a{random_address(random, ipv6), static_cast<std::uint16_t>(random())};
    const flowtable::Endpoint b{random_address(random, ipv6), static_cast<std::uint16_t>(random())};
    keys.push_back(flowtable::make_key(a, b).key);
  }
  return keys;
}

// The keys that each table is filled with, and as many that it does not hold. They are looked up in
// another order than inserted, as memory was allocated in the order of insertion.
struct TableKeys {
  explicit TableKeys(bool ipv6)
      : present(random_keys(kTableKeys, ipv6, 1)),
        shuffled(present),
        absent(random_keys(kTableKeys, ipv6, 2)) {
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937_64(3));
  }

  std::vector<flowtable::FlowKey> present;
  std::vector<flowtable::FlowKey> shuffled;
  std::vector<flowtable::FlowKey> absent;
};

inline const TableKeys& table_keys(bool ipv6) {
  static const std::array<TableKeys, 2> keys{TableKeys(false), TableKeys(true)};
  return keys[ipv6 ? 1 : 0];
}

}  // namespace tcpeek::bench
