// Text compressed as gzip has it (RFC 1952), by zlib at its fastest: metrics repeat themselves so much that more
// effort saves little and takes several times as long.
//
// Thread contract: a pure function, callable from any thread. Errors: std::bad_alloc.
#pragma once

#include <string>
#include <string_view>

namespace tcpeek::ipc {

[[nodiscard]] std::string gzip(std::string_view text);

}  // namespace tcpeek::ipc
