// A TCP socket that listens, for the HTTP server.
//
// Thread contract: pure but for the system calls.
// Errors: std::system_error naming the address and the reason.
#pragma once

#include <cstdint>
#include <string>

#include "ipc/unique_fd.h"

namespace tcpeek::ipc {

// `address`: IPv4 or IPv6, without brackets. The socket is non-blocking and close-on-exec; one bound to an
// IPv6 address serves that family alone. Port 0: the kernel chooses.
[[nodiscard]] UniqueFd listen_on(const std::string& address, std::uint16_t port);

// "127.0.0.1:9142", "[::1]:9142"; as the kernel has it.
[[nodiscard]] std::string address_of(int listener);

}  // namespace tcpeek::ipc
