// The last words of a process that made a system call its filter refuses: SIGSYS, one line on standard
// error, the end.
//
// Thread contract: tell_refused_calls() once, before any other thread is started; the line is written
// by the thread that made the call, which must not block SIGSYS.
// Errors: tell_refused_calls() throws std::system_error.
#pragma once

namespace tcpeek::engine {

// Catches SIGSYS for the whole process.
void tell_refused_calls();

// What the calling thread is called there. A constant.
void set_thread_name_for_refusals(const char* name) noexcept;

}  // namespace tcpeek::engine
