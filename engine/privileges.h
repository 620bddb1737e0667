// Becoming less than root: another user with its groups, and no capability, once the sockets are
// open.
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
void drop_capabilities();

}  // namespace tcpeek::engine
