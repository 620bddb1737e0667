// Which word was probably meant by one that is not known.
//
// Thread contract: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tcpeek::engine {

// Those of `known` that `word` may stand for, likeliest first, at most four: those it abbreviates (if it
// has at least `shortest` bytes), then those it misspells, in capitals or not.
[[nodiscard]] std::vector<std::string> near_misses(std::string_view word,
                                                   std::span<const std::string> known,
                                                   std::size_t shortest);

// "did you mean a, b or c?"; empty if there is nothing to choose from.
[[nodiscard]] std::string did_you_mean(std::span<const std::string> meant);

}  // namespace tcpeek::engine
