// What an HTTP request asks for, once its header is read: which page, and in which form. Beast reads the
// header; this reads what the header says, and knows no socket.
//
// Which form of metrics: that which Accept likes best (RFC 9110, section 12.5.1). Only those who name OpenMetrics
// get it; everyone else, also who accepts neither, gets the older text, which people and tools can read.
//
// Thread contract: pure functions, callable from any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "ipc/metrics_request.h"

namespace tcpeek::ipc {

enum class HttpPage : std::uint8_t { metrics, health, none };

// By the target of the request: what follows `?` does not matter.
[[nodiscard]] HttpPage page_of(std::string_view target) noexcept;

// `accept` and `accept_encoding` are the values of these fields, several of a kind joined by commas.
[[nodiscard]] MetricsRequest negotiate(std::string_view accept,
                                       std::string_view accept_encoding) noexcept;

// Of the reply.
[[nodiscard]] std::string_view content_type(MetricsForm form) noexcept;

}  // namespace tcpeek::ipc
