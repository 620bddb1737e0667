// Text cut at every occurrence of one character.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpeek::fuzz {

// One piece more than there are cuts.
inline std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> pieces;
  for (;;) {
    const std::size_t end = text.find(at);
    pieces.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

}  // namespace tcpeek::fuzz
