// Words that a mistyped one may stand for.
//
// Thread contract: pure functions. Bounds: none is near a word of more than kLongestWord bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tcpeek::engine {

inline constexpr std::size_t kMostTypingErrors = 2;
inline constexpr std::size_t kLongestWord = 64;

[[nodiscard]] std::string lower_case(std::string_view text);

// Insertions, deletions and replacements between two words.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The one of `known` that is nearest to `word`, case aside; none if none is near. Of those that are as near,
// the first.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      std::span<const std::string_view> known);

}  // namespace tcpeek::engine
