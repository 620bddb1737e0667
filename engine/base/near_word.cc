#include "engine/base/near_word.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace tcpeek::engine {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> known) {
  if (word.size() > kLongestWord) return std::nullopt;
  const std::string meant = lower_case(word);
  std::optional<std::string_view> found;
  // Words that share no letter are not near, however short they are.
  std::size_t best = std::min(kMostTypingErrors + 1, word.size());
  for (const std::string_view each : known) {
    if (each.size() > kLongestWord) continue;
    const std::size_t errors = edit_distance(meant, lower_case(each));
    if (errors >= std::min(best, each.size())) continue;
    best = errors;
    found = each;
  }
  return found;
}

}  // namespace tcpeek::engine
