// The listening socket that a service manager opened for this process: systemd's protocol for .socket units, as
// sd_listen_fds(3) documents it. Without libsystemd, as it is two variables and a number.
//
// So a service that may open no IP socket of its own can still be reached, under the .socket unit's rules.
//
// Thread contract: called by the main thread, before others run; the socket is taken once.
// Errors: std::runtime_error saying what was handed over instead.
#pragma once

#include "ring/descriptor.h"

namespace tcpeek::engine {

[[nodiscard]] bool sockets_were_handed_over() noexcept;

// A TCP socket that listens; made non-blocking and close-on-exec.
[[nodiscard]] ring::Descriptor inherited_tcp_listener();

}  // namespace tcpeek::engine
