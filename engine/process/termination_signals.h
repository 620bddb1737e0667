// The signals that ask tcpeek to end, as a descriptor that becomes readable (signalfd(2)).
//
// They stay blocked to the end of the program: nothing is ever interrupted by them, however many come,
// and none counts once the end has begun.
//
// One that is ignored at the start stays so: `nohup` means that the program outlives its terminal, and
// a shell has its background jobs ignore the keyboard. SIGTERM is never about a terminal.
//
// Thread contract: made by the main thread before it starts others, which inherit that they are blocked.
// Errors: std::system_error.
#pragma once

#include <vector>

#include "ring/descriptor.h"

namespace tcpeek::engine {

// SIGTERM, and those of SIGINT and SIGHUP that are not ignored.
[[nodiscard]] std::vector<int> termination_signals();

class TerminationSignals {
 public:
  TerminationSignals();

  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }
  // Whether one has come.
  [[nodiscard]] bool came() const noexcept;

 private:
  ring::Descriptor descriptor_;
};

}  // namespace tcpeek::engine
