#include "engine/config/near_miss.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "engine/base/near_word.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMaxSuggestions = 4;

}  // namespace

std::vector<std::string> near_misses(std::string_view word, std::span<const std::string> known,
                                     std::size_t shortest) {
  if (word.size() > kLongestWord) return {};
  const std::string given = lower_case(word);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const std::string& each : known) {
    const std::size_t typing_errors = edit_distance(given, each);
    const bool abbreviated = given.size() >= shortest && each.starts_with(given);
    if (!abbreviated && typing_errors > kMostTypingErrors) continue;
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
