// The limit on open files: seen to at start, and named when it was met all the same.
//
// How it works: whoever has opened what lasts asks for what comes and goes (clients), and for what it
// could do without (spare sockets). The soft limit is raised as far as the hard one allows, which
// needs no privilege.
//
// Thread contract: the main thread, while no other opens anything.
// Errors: std::runtime_error with the limit and what is needed.
#pragma once

#include <cstddef>
#include <string>
#include <system_error>

namespace tcpeek::engine {

// Room for `needed` more descriptors than are open now, and for up to `wanted` besides: returns for how
// many of those.
std::size_t ensure_descriptors(std::size_t needed, std::size_t wanted);

// To be put behind a message; empty if this is not what went wrong.
[[nodiscard]] std::string descriptor_advice(const std::error_code& code);

}  // namespace tcpeek::engine
