// What happens when a thread makes a system call that its filter refuses: SIGSYS, one line on standard
// error that names thread and call, and the end of the process.
//
// Thread contract: install_sigsys_handler() once, before any other thread is started; the line is written
// by the thread that made the call, which must not block SIGSYS.
// Errors: install_sigsys_handler() throws std::system_error.
#pragma once

namespace tcpeek::engine {

// For the whole process.
void install_sigsys_handler();

// The name of the calling thread in that line. Must be a constant.
void set_thread_name_for_refusals(const char* name) noexcept;

}  // namespace tcpeek::engine
