// Runs a function in a child process, for what cannot be undone (credentials) or ends a process.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <string>

#include "ring/descriptor.h"

namespace tcpeek::engine::test {

// What `fn` returned; "threw: ..." if it threw; "signal N" if it died. The child lives `seconds` at
// most.
template <class Fn>
std::string in_child(Fn&& fn, unsigned seconds = 60) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) ring::throw_errno("pipe");
  const pid_t child = ::fork();
  if (child < 0) ring::throw_errno("fork");
  if (child == 0) {
    ::alarm(seconds);
    std::string told;
    try {
      told = fn();
    } catch (const std::exception& e) {
      told = std::string("threw: ") + e.what();
    }
    const auto written = ::write(ends[1], told.data(), told.size());
    ::_exit(written == static_cast<ssize_t>(told.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  const ring::Descriptor reading(ends[0]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto n = ::read(ends[0], buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << text;
  return text;
}

}  // namespace tcpeek::engine::test
