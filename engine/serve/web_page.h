// The page that --web serves and --report writes: one text, with all it needs in it (engine/web/). It is put
// together when tcpeek is built (scripts/cmake/WebPage.cmake), which defines these.
//
// Thread contract: pure functions, callable from any thread.
#pragma once

#include <string_view>

namespace tcpeek::engine {

// Without a report in it: it asks the server that it came from.
[[nodiscard]] std::string_view web_page() noexcept;

// Its Content-Security-Policy: its own scripts and styles, by their hashes, and requests to its own server.
[[nodiscard]] std::string_view web_page_policy() noexcept;

// Where web_page() has a report in it instead of "null".
inline constexpr std::string_view kReportBegin = R"(<script type="application/json" id="report">)";
inline constexpr std::string_view kReportEnd = "</script>";

}  // namespace tcpeek::engine
