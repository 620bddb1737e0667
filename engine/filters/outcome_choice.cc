#include "engine/filters/outcome_choice.h"

#include <algorithm>

namespace tcpeek::engine {
namespace {

using flowtable::Cause;
using flowtable::Result;

// Evicted attempts are shown nowhere, so they cannot be chosen.
bool is_meant(std::string_view word, Cause cause) noexcept {
  const Result result = flowtable::result_of(cause);
  if (result == Result::evicted || word.empty()) return false;
  if (word == "failure") return result != Result::success && result != Result::pending;
  return word == flowtable::word(result) || word == flowtable::word(cause);
}

std::uint32_t causes_of(std::string_view word) noexcept {
  std::uint32_t causes = 0;
  for (std::size_t i = 0; i < flowtable::kCauses; ++i) {
    if (is_meant(word, static_cast<Cause>(i))) causes |= std::uint32_t{1} << i;
  }
  return causes;
}

}  // namespace

std::optional<OutcomeChoice> OutcomeChoice::parse(std::string_view list) {
  OutcomeChoice choice;
  choice.causes_ = 0;
  for (bool more = true; more;) {
    const std::size_t comma = list.find(',');
    const std::uint32_t causes = causes_of(list.substr(0, comma));
    if (causes == 0) return std::nullopt;
    choice.causes_ |= causes;
    more = comma != std::string_view::npos;
    if (more) list.remove_prefix(comma + 1);
  }
  return choice;
}

}  // namespace tcpeek::engine
