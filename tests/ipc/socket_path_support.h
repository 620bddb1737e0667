// What the tests of the listening path share.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>

#include "ipc/socket_path.h"
#include "tests/ipc/support.h"

namespace tcpeek::ipc::test {

inline SocketPath listen_at(const std::string& path,
                            SocketPath::Parent parent = SocketPath::Parent::must_exist) {
  return SocketPath::listen(path, parent);
}

// The sentence of the refusal; empty when there was none.
inline std::string refusal(const std::string& path,
                           SocketPath::Parent parent = SocketPath::Parent::must_exist) {
  try {
    const SocketPath place = listen_at(path, parent);
    return "";
  } catch (const ListenError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
}

// Runs `work` in a child process; its result is the exit status.
inline int in_child(const std::function<int()>& work) {
  std::fflush(nullptr);  // or the child may print what is waiting once more
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

inline bool answers(const std::string& path) {
  const UniqueFd client = unix_socket();
  return connect_to(client.get(), path) == 0;
}

inline void make_stale_socket(const std::string& path, int type = SOCK_STREAM) {
  const UniqueFd socket = unix_socket(type);
  ASSERT_EQ(bind_to(socket.get(), path), 0);
}

}  // namespace tcpeek::ipc::test
