// The reply to TOP: one JSON object, described in docs/schema/top.json and in tcpeek(8).
//
// Pure functions, callable from any thread.
#pragma once

#include <string>
#include <string_view>

#include "ipc/top.h"

namespace tcpeek::ipc {

inline constexpr int kTopSchema = 1;

[[nodiscard]] std::string top_reply(const Top& top);

// The reply to a request that is refused: {"error":"..."}.
[[nodiscard]] std::string error_reply(std::string_view text);

}  // namespace tcpeek::ipc
