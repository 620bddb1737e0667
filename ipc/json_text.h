// Pieces of JSON text for the writers that promise their bytes: a quoted string and a time.
//
// Pure functions, callable from any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace tcpeek::ipc {

// `text` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD: the reply stays
// readable whatever a user named a filter.
[[nodiscard]] std::string json_quoted(std::string_view text);

// RFC 3339, UTC, always with six decimals: 2024-02-29T23:59:59.000001Z.
[[nodiscard]] std::string rfc3339_utc(std::chrono::system_clock::time_point time);

}  // namespace tcpeek::ipc
