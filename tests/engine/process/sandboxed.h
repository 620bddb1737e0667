// What becomes of a thread in the sandbox: real filters, in a process of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <system_error>
#include <thread>

#include "engine/process/sandbox.h"
#include "ring/descriptor.h"
#include "tests/engine/base/text_file.h"
#include "tests/engine/process/child.h"

namespace tcpeek::engine::test {

inline constexpr const char* kBySigsys = "signal 31";
inline constexpr const char* kByAbort = "signal 6";

struct End {
  std::string how;   // "lives", or how it died
  std::string said;  // on standard error
};

inline void forbid_new_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ring::throw_errno("no_new_privs");
}

// Runs `fn` in a thread of this role, beside one that is not filtered.
inline End end_of(Role role, const std::function<void()>& fn, bool syslog = false) {
  const TextFile said;
  const std::string how = in_child([&] {
    if (::dup2(said.descriptor(), STDERR_FILENO) < 0) ring::throw_errno("dup2");
    forbid_new_privileges();
    const Sandbox sandbox({role}, syslog);
    std::thread([&] {
      sandbox.enter(role);
      fn();
    }).join();
    return "lives";
  });
  return {how, said.text()};
}

inline constexpr std::array kAllRoles{Role::reactor, Role::reader, Role::replay,
                                      Role::replay_reader};

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    try {
      static_cast<void>(Sandbox({Role::reader}, false));
    } catch (const std::system_error& e) {
      GTEST_SKIP() << e.what();
    }
  }
};

}  // namespace tcpeek::engine::test
