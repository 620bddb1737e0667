// The stream that --create-stream makes: the settings of packaging/nats/tcpeek-stream.json.
//
// Thread contract: constants.
#pragma once

#include <chrono>
#include <cstdint>

namespace tcpeek::forward {

inline constexpr const char* kStreamDescription = "TCP connection attempts told by tcpeek";
inline constexpr std::chrono::nanoseconds kStreamMaxAge = std::chrono::hours(72);
inline constexpr std::int64_t kStreamMaxBytes = std::int64_t{10} << 30;
// What is in flight when a connection is lost may still arrive within it (docs/tcpeek-forward.8).
inline constexpr std::chrono::nanoseconds kStreamDuplicateWindow = std::chrono::minutes(2);

}  // namespace tcpeek::forward
