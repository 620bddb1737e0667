// The word HISTORY [SECONDS]: what follows it, checked.
//
// Thread contract: a pure function.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tcpeek::engine {

struct HistoryRequest {
  std::optional<std::chrono::seconds> back;  // none: all that is kept
  std::string error;                         // what is wrong, and what is allowed; empty: nothing

  friend bool operator==(const HistoryRequest&, const HistoryRequest&) = default;
};

// None if `request` is not about the history.
[[nodiscard]] std::optional<HistoryRequest> parse_history_request(std::string_view request);

}  // namespace tcpeek::engine
