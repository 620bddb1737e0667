// What a reload of filters changes: which stay, begin anew, come and go, and in which order they are from
// then on.
//
// A filter is known by its name. One whose expression is written differently begins anew. Clients of GET
// read by position, so whoever stays keeps its place among those that stay, and new ones come last.
//
// Thread contract: a pure function.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/filters/filter_expression.h"

namespace tcpeek::engine {

struct FilterChanges {
  std::vector<std::string> added;  // names
  std::vector<std::string> removed;
  std::vector<std::string> restarted;
  std::size_t kept = 0;  // without RX and TX
  // Expressions that exclude.
  std::vector<std::string> exclusions_added;
  std::vector<std::string> exclusions_removed;
  // Those wanted, in the order in which they count from now on; exclusions last.
  std::vector<FilterExpression> next;

  [[nodiscard]] bool any() const noexcept {
    return !added.empty() || !removed.empty() || !restarted.empty() || !exclusions_added.empty() ||
           !exclusions_removed.empty();
  }
};

// Both as parse_filters() returns them: RX and TX first.
[[nodiscard]] FilterChanges changes_of_filters(const std::vector<FilterExpression>& running,
                                               const std::vector<FilterExpression>& wanted);

}  // namespace tcpeek::engine
