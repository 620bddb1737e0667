// Names of TCP ports, from the file that services(5) describes; nobody is asked over the network.
//
// Thread contract: pure but for reading the file.
#pragma once

#include <string>
#include <string_view>

namespace tcpeek::engine {

// {"443":"https",...} of the text of such a file: of several names of a port the first. Lines that are none are
// passed over.
[[nodiscard]] std::string service_names_json(std::string_view text);

// Of /etc/services; "{}" if it cannot be read.
[[nodiscard]] std::string service_names_here();

}  // namespace tcpeek::engine
