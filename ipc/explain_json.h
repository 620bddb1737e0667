// The reply to EXPLAIN: one JSON object, described in docs/schema/explain.json and in tcpeek-protocol(7).
//
// Pure functions, callable from any thread.
#pragma once

#include <string>

#include "ipc/explain.h"

namespace tcpeek::ipc {

inline constexpr int kExplainSchema = 1;

[[nodiscard]] std::string explain_reply(const Explanation& explanation);

}  // namespace tcpeek::ipc
