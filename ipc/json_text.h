// Pieces of JSON text for the writers: a quoted string, a time, a duration. What is appended allocates nothing where
// there is room.
//
// Pure functions, callable from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <ratio>
#include <string>
#include <string_view>

namespace tcpeek::ipc {

// `text` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD: the reply stays
// readable whatever a user named a filter.
[[nodiscard]] std::string json_quoted(std::string_view text);
void append_json_quoted(std::string& out, std::string_view text);

// The reply to a request that is refused: {"error":"..."}.
[[nodiscard]] std::string error_reply(std::string_view message);

// RFC 3339, UTC, always with six decimals: 2024-02-29T23:59:59.000001Z.
[[nodiscard]] std::string rfc3339_utc(std::chrono::system_clock::time_point time);
void append_rfc3339_utc(std::string& out, std::chrono::system_clock::time_point time);

// A duration that is not negative.
using Elapsed = std::chrono::duration<std::uint64_t, std::micro>;

// In seconds, exactly, always with six decimals: 0.000153.
[[nodiscard]] std::string json_seconds(Elapsed duration);
void append_json_seconds(std::string& out, Elapsed duration);

}  // namespace tcpeek::ipc
