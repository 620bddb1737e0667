// The filters of system calls (seccomp) that threads put on once everything is set up: whoever takes a
// thread over finds almost no kernel behind it.
//
// Each kind of thread has a list of its own (engine/process/seccomp_policy.h). Filters are compiled at the start,
// when everything still is allowed, and loaded by each thread for itself, for good: the main thread
// loads its own when the others run, since threads inherit those of the thread that starts them. A call
// that is not on the list ends the process with a line that names it (engine/process/sigsys_handler.h). Files
// cannot be opened; that is an error like others, as libraries try it now and then.
//
// Where the kernel has no such filters, or whoever runs this does not let it use them, a warning tells so
// and everything works without: the privileges are gone all the same. A filter that the kernel has and
// then does not take is an error.
//
// Thread contract: made by the main thread before any other is started; enter() is each thread's own.
// Errors: std::system_error. enter() needs no_new_privs (engine/process/privileges.h).
#pragma once

#include <linux/filter.h>

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "engine/config/options.h"
#include "engine/output/log.h"
#include "engine/process/seccomp_policy.h"

namespace tcpeek::engine {

class Sandbox {
 public:
  // Lets everything pass.
  Sandbox() = default;
  Sandbox(std::initializer_list<Role> roles, bool syslog);

  // Why nothing is filtered although that was asked for; otherwise empty.
  [[nodiscard]] const std::string& missing_because() const noexcept { return missing_because_; }

  // From now on the calling thread is filtered as this role.
  void enter(Role role) const;

 private:
  std::array<std::vector<sock_filter>, kRoles> filters_;  // by role; empty: none
  std::string missing_because_;
};

// As the command line has it; the log is told when it cannot be.
[[nodiscard]] Sandbox make_sandbox(const Options& options, std::initializer_list<Role> roles,
                                   Log& log);

}  // namespace tcpeek::engine
