// Becoming less than root: another user with its groups, and no capability in any set, once the
// sockets are open.
//
// Thread contract: the main thread, before any other is started, since credentials belong to
// threads.
// Errors: std::runtime_error in words for people.
#pragma once

#include <sys/types.h>

#include <string>

namespace tcpeek::engine {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

// By name or by number.
[[nodiscard]] User find_user(const std::string& text);

void become(const User& user);

// Empties the effective, permitted, inheritable and ambient sets. The bounding set is emptied, and user
// 0 loses its meaning to execve() (securebits), where CAP_SETPCAP is there to do so; without it
// no_new_privs alone keeps capabilities from coming back. Other processes of the same user cannot look
// into this one afterwards; root's can, and only root's leaves a core file.
void drop_capabilities();

}  // namespace tcpeek::engine
