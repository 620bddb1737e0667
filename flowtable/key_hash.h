// The keyed hash of the flow table: XXH3 with a random secret, so that nobody outside can choose
// 4-tuples that collide.
//
// Source: the xxHash library, XXH3_64bits_withSecret.
// Thread contract: immutable; any thread may hash.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "flowtable/flow_key.h"

namespace tcpeek::flowtable {

class KeyHash {
 public:
  static constexpr std::size_t kSecretBytes = 192;
  using Secret = std::array<std::byte, kSecretBytes>;

  explicit KeyHash(const Secret& secret) noexcept : secret_(secret) {}

  [[nodiscard]] std::uint64_t operator()(const FlowKey& key) const noexcept;

 private:
  Secret secret_;
};

}  // namespace tcpeek::flowtable
