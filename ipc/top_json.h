// The reply to TOP: one JSON object, described in docs/schema/top.json and in tcpeek-protocol(7).
//
// Pure functions, callable from any thread.
#pragma once

#include <string>

#include "ipc/top.h"

namespace tcpeek::ipc {

inline constexpr int kTopSchema = 1;

[[nodiscard]] std::string top_reply(const Top& top);

}  // namespace tcpeek::ipc
