#include "engine/filters/filter_changes.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace tcpeek::engine {
namespace {

using Known = std::map<std::string_view, const FilterExpression*>;  // by name

Known counting(const std::vector<FilterExpression>& filters) {
  Known known;
  for (const FilterExpression& filter : filters) {
    if (!filter.excludes()) known.emplace(filter.name, &filter);
  }
  return known;
}

std::vector<std::string> exclusions(const std::vector<FilterExpression>& filters) {
  std::vector<std::string> texts;
  for (const FilterExpression& filter : filters) {
    if (filter.excludes()) texts.push_back(filter.text);
  }
  std::ranges::sort(texts);
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return texts;
}

}  // namespace

FilterChanges changes_of_filters(const std::vector<FilterExpression>& running,
                                 const std::vector<FilterExpression>& wanted) {
  FilterChanges changes;
  const Known before = counting(running);
  const Known after = counting(wanted);
  for (const FilterExpression& filter : running) {
    if (filter.excludes()) continue;
    const auto stays = after.find(filter.name);
    if (stays == after.end()) {
      changes.removed.push_back(filter.name);
      continue;
    }
    changes.next.push_back(*stays->second);
    if (stays->second->text != filter.text) {
      changes.restarted.push_back(filter.name);
    } else if (filter.name != "RX" && filter.name != "TX") {
      ++changes.kept;
    }
  }
  for (const FilterExpression& filter : wanted) {
    if (filter.excludes() || before.contains(filter.name)) continue;
    changes.added.push_back(filter.name);
    changes.next.push_back(filter);
  }
  std::ranges::copy_if(wanted, std::back_inserter(changes.next), &FilterExpression::excludes);
  const auto old_ones = exclusions(running);
  const auto new_ones = exclusions(wanted);
  std::ranges::set_difference(new_ones, old_ones, std::back_inserter(changes.exclusions_added));
  std::ranges::set_difference(old_ones, new_ones, std::back_inserter(changes.exclusions_removed));
  return changes;
}

}  // namespace tcpeek::engine
