// The text of a file that the user named; it may be a pipe.
//
// Thread contract: none; it waits for what it reads.
// Errors: std::system_error with the errno; std::length_error if there are more than `most` bytes; of a file that an
// option names, UsageError instead.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tcpeek::engine {

[[nodiscard]] std::string read_text(const std::string& path, std::size_t most);
[[nodiscard]] std::string read_option_file(std::string_view option, const std::string& path,
                                           std::size_t most);

}  // namespace tcpeek::engine
