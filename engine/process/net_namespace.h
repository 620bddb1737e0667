// Captures in another network namespace: its interfaces, its routes, its addresses.
//
// The thread enters it before any socket is made and before other threads start, which inherit it: packet
// sockets, and the rtnetlink sockets by which links are read again and again, are then of that namespace.
// UNIX sockets go by their path, so the counts are served where they always are.
//
// Thread contract: the main thread, before it starts others.
// Errors: std::runtime_error, worded for the user. Needs CAP_SYS_ADMIN (setns(2)).
#pragma once

#include <string>

namespace tcpeek::engine {

// The number of a process whose namespace it is, or a name that `ip netns` gave one.
void enter_net_namespace(const std::string& which);

}  // namespace tcpeek::engine
