// The system call filters (seccomp) that threads enter once everything is set up: an attacker who takes
// a thread over can reach almost nothing of the kernel.
//
// Each kind of thread has its own list (engine/process/seccomp_policy.h). Filters are compiled at the
// start, while everything is still allowed. Each thread then loads its own, for good: the main thread
// last, since a thread inherits the filters of the one that starts it. A call that is not on the list
// ends the process with a line that names it (engine/process/sigsys_handler.h). Opening a file fails
// with an ordinary error, as libraries try it now and then.
//
// A kernel without such filters, or a container that forbids them, is an error: running unfiltered is
// the operator's decision (--no-seccomp). The exception are builds with sanitizers, whose runtime makes
// too many calls of its own: there nothing is filtered, and supported_by_build() says so.
//
// Thread contract: made by the main thread before any other is started; enter() is each thread's own.
// Errors: std::system_error, naming --no-seccomp where that helps. enter() needs no_new_privs
// (engine/process/privileges.h).
#pragma once

#include <linux/filter.h>

#include <array>
#include <initializer_list>
#include <vector>

#include "engine/process/seccomp_policy.h"

namespace tcpeek::engine {

class Sandbox {
 public:
  // Filters nothing.
  Sandbox() = default;
  // `syslog`: messages go to syslog(3), which needs more calls.
  Sandbox(std::initializer_list<Role> roles, bool syslog);

  // False for a build with sanitizers: every Sandbox is then one that filters nothing.
  [[nodiscard]] static bool supported_by_build() noexcept;

  // From now on the calling thread is filtered as this role.
  void enter(Role role) const;

 private:
  std::array<std::vector<sock_filter>, kRoles> filters_;  // by role; empty: none
};

}  // namespace tcpeek::engine
