// The limit on open files: seen to at start, and named when it was met all the same.
//
// How it works: whoever has opened what lasts asks for what comes and goes (clients). The soft limit
// is raised if the hard one allows that, which needs no privilege.
//
// Thread contract: the main thread, while no other opens anything.
// Errors: std::runtime_error with the limit and what is needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

namespace tcpeek::engine {

// How many may be open now (the soft limit); 0 if that cannot be read.
[[nodiscard]] std::uint64_t descriptor_limit() noexcept;

// Room for so many more descriptors than are open now.
void ensure_descriptors(std::size_t more);

// To be put behind a message; empty if this is not what went wrong.
[[nodiscard]] std::string descriptor_advice(const std::error_code& code);

}  // namespace tcpeek::engine
