#include "engine/config/near_miss.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMaxTypingErrors = 2;
constexpr std::size_t kMaxSuggestions = 4;
// A word this much longer than all that are known is none of them, whatever is in it.
constexpr std::size_t kLongestWord = 64;

// Insertions, deletions and replacements between two words.
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

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

}  // namespace

std::vector<std::string> near_misses(std::string_view word, std::span<const std::string> known,
                                     std::size_t shortest) {
  if (word.size() > kLongestWord) return {};
  const std::string given = lower_case(word);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const std::string& each : known) {
    const std::size_t typing_errors = edit_distance(given, each);
    const bool abbreviated = given.size() >= shortest && each.starts_with(given);
    if (!abbreviated && typing_errors > kMaxTypingErrors) continue;
    ranked.emplace_back(abbreviated ? 0 : typing_errors, each);
  }
  std::ranges::stable_sort(ranked, {}, [](const auto& entry) { return entry.first; });
  std::vector<std::string> meant;
  for (auto& [rank, each] : ranked) {
    // A slip of one letter rules out one of two; several are named only if they are as likely.
    if (rank != ranked.front().first || meant.size() == kMaxSuggestions) break;
    meant.push_back(std::move(each));
  }
  return meant;
}

std::string did_you_mean(std::span<const std::string> meant) {
  if (meant.empty()) return {};
  std::string text = "did you mean " + meant.front();
  for (std::size_t i = 1; i < meant.size(); ++i) {
    text.append(i + 1 < meant.size() ? ", " : " or ").append(meant[i]);
  }
  return text + '?';
}

}  // namespace tcpeek::engine
