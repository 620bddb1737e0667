// Lines of WATCH as server-sent events (the HTML standard, section 9.2), and where a client resumes that has lost
// its connection.
//
// The id of an event is `BOOT.SEQ`, of the last event the client has been told of. A line without a number (a
// gap) has none: the client keeps the id of the line before.
//
// Thread contract: pure functions, callable from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/reply.h"

namespace tcpeek::ipc {

// The header of the reply, and how long a client is to wait before it connects again.
[[nodiscard]] std::string_view event_stream_head() noexcept;

// `lines` end with a newline each.
void append_events(std::string& text, std::string_view lines);

// What fills a stream of events from what fills one of lines.
[[nodiscard]] StreamFill as_events(StreamFill lines);

// The first event wanted by whoever has the one with this id: the next one, or all that are kept if the id is
// of another boot. None: it is no such id.
[[nodiscard]] std::optional<std::uint64_t> resume_after(std::string_view id, std::string_view boot);

}  // namespace tcpeek::ipc
