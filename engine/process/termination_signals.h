// The signals that ask tcpeek to end, as a descriptor that becomes readable (signalfd(2)).
//
// They stay blocked to the end of the program: they never interrupt anything, however many come, and
// further ones have no effect once the end has begun.
//
// A signal that is ignored at the start stays ignored: nohup(1) means that the program outlives its
// terminal, and a shell has its background jobs ignore the keyboard. SIGTERM does not come from a terminal.
//
// Thread contract: made by the main thread before it starts others, which inherit the signal mask.
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
  // Whether one has arrived.
  [[nodiscard]] bool came() const noexcept;

 private:
  ring::Descriptor descriptor_;
};

}  // namespace tcpeek::engine
