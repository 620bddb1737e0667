// Which limit kept a thread from being started. pthread_create(3) answers EAGAIN both where there is no
// address space for the stack (ulimit -v) and where there may be no more tasks (ulimit -u, TasksMax=).
//
// How it works: called right after the failure, it tries to map a stack of that size. If that works, the
// limit was on tasks.
//
// Thread contract: any thread, before system calls are filtered.
// Errors: none.
#pragma once

#include <string>
#include <system_error>

namespace tcpeek::engine {

// To be appended to a message, as descriptor_advice() of engine/process/fd_limit.h is; empty for other
// errors.
[[nodiscard]] std::string thread_start_advice(const std::error_code& code);

}  // namespace tcpeek::engine
