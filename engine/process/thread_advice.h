// Which limit kept a thread from being started. pthread_create(3) answers EAGAIN both where there is no
// address space for the stack (ulimit -v) and where there may be no more tasks (ulimit -u, TasksMax=).
//
// How it works: right after the failure it is tried whether a stack as large can still be mapped. If so,
// it was a limit on tasks.
//
// Thread contract: any thread, before system calls are filtered.
// Errors: none.
#pragma once

#include <string>
#include <system_error>

namespace tcpeek::engine {

// To be put behind a message, as descriptor_advice() of engine/process/fd_limit.h; empty for errors of
// another kind.
[[nodiscard]] std::string thread_start_advice(const std::error_code& code);

}  // namespace tcpeek::engine
