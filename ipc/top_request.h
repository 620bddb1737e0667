// The word TOP and its arguments: TOP [n] [by=service|initiator|pair|network].
//
// Pure functions, callable from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "ipc/top.h"

namespace tcpeek::ipc {

[[nodiscard]] std::string_view word(TopBy by) noexcept;

// What is wrong with the arguments, and what is allowed.
struct TopMistake {
  std::string text;
};

// None: `request`, a trimmed line, is another word.
[[nodiscard]] std::optional<std::variant<TopRequest, TopMistake>> parse_top_request(
    std::string_view request);

}  // namespace tcpeek::ipc
