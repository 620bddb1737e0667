// Which outcomes are shown one by one: --only. All are counted whatever is shown.
//
// Thread contract: a plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "flowtable/outcome.h"

namespace tcpeek::engine {

class OutcomeChoice {
 public:
  OutcomeChoice() = default;  // all of them

  // A list with commas of `success`, `failure` (all but success and pending), results and causes by the
  // words that JSON has for them. None: a word is no such word.
  [[nodiscard]] static std::optional<OutcomeChoice> parse(std::string_view list);

  [[nodiscard]] constexpr bool has(flowtable::Cause cause) const noexcept {
    return (causes_ >> static_cast<unsigned>(cause) & 1U) != 0;
  }

  bool operator==(const OutcomeChoice&) const = default;

 private:
  static_assert(flowtable::kCauses <= 32, "a bit for each");

  std::uint32_t causes_ = ~std::uint32_t{0};
};

}  // namespace tcpeek::engine
