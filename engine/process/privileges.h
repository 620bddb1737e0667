// Dropping privileges once the sockets are open: another user with its groups, and no capability in any
// set.
//
// Thread contract: the main thread, before any other is started, since credentials belong to threads.
// Errors: std::runtime_error, as messages for the user.
#pragma once

#include <sys/types.h>

#include <optional>
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

// Empties the effective, permitted, inheritable and ambient sets. With CAP_SETPCAP the bounding set is
// emptied, too, and execve() gives nothing to user 0 any more (securebits); without it, no_new_privs alone
// keeps capabilities from coming back. Afterwards other processes of the same user cannot trace this one,
// and it leaves no core file, unless it runs as root.
void drop_capabilities();

// Both: becomes that user, if there is one.
void drop_privileges(const std::optional<User>& user);

}  // namespace tcpeek::engine
