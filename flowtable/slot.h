// A place in the table, a group and one of its slots; or nowhere. In one register: an optional goes
// through memory in pieces of different size, which the processor cannot forward, and that cost as
// much as the look-up itself.
//
// Thread contract: a plain value.
#pragma once

#include <compare>
#include <cstdint>

namespace tcpeek::flowtable {

class Slot {
 public:
  constexpr Slot() = default;  // nowhere
  constexpr Slot(std::uint32_t group, std::uint32_t index) noexcept
      : value_(group << kIndexBits | index) {}

  [[nodiscard]] constexpr std::uint32_t group() const noexcept { return value_ >> kIndexBits; }
  [[nodiscard]] constexpr std::uint32_t index() const noexcept {
    return value_ & ((1U << kIndexBits) - 1);
  }
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return value_ != kNowhere; }
  auto operator<=>(const Slot&) const = default;

 private:
  static constexpr unsigned kIndexBits = 4;
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
  std::uint32_t value_ = kNowhere;
};

}  // namespace tcpeek::flowtable
