// The limit on open files: raised at the start where necessary, and named when it is hit all the same.
//
// How it works: once everything permanent is open, the caller asks for the descriptors that come and go
// (clients) and for optional ones (spare sockets). The soft limit is raised as far as the hard one allows,
// which needs no privilege.
//
// Thread contract: the main thread, while no other opens anything.
// Errors: std::runtime_error with the limit and what is needed.
#pragma once

#include <cstddef>
#include <string>
#include <system_error>

namespace tcpeek::engine {

// Makes room for `needed` more descriptors than are open now, and for up to `wanted` more; returns how many
// of the latter fit.
std::size_t ensure_descriptors(std::size_t needed, std::size_t wanted);

// To be appended to a message; empty if `code` is another error.
[[nodiscard]] std::string descriptor_advice(const std::error_code& code);

}  // namespace tcpeek::engine
