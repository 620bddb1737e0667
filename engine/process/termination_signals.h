// The signals that ask something of tcpeek, as descriptors that become readable (signalfd(2)): those
// that end it, and those that it answers and goes on.
//
// SIGINT and SIGTERM always end it: a shell without job control has SIGINT ignored in what it starts in
// the background, and who sends it then means it. SIGHUP ends it too, unless it was ignored at the start
// (nohup: the program outlives its terminal) or a service manager runs it, where it commonly means
// "read your configuration again". SIGUSR1 asks for the summary so far.
//
// They stay blocked to the end of the program: nothing is ever interrupted by them, however many come,
// and none counts once the end has begun.
//
// Thread contract: made by the main thread before it starts others, which inherit that they are blocked.
// Errors: std::system_error.
#pragma once

#include <cstdint>
#include <vector>

#include "ring/descriptor.h"

namespace tcpeek::engine {

// Which signals, as things are at the start.
[[nodiscard]] std::vector<int> termination_signals();
[[nodiscard]] std::vector<int> request_signals();

// By the environment.
[[nodiscard]] bool run_by_service_manager() noexcept;

class TerminationSignals {
 public:
  TerminationSignals();

  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }
  // Whether one has come.
  [[nodiscard]] bool came() const noexcept;

 private:
  ring::Descriptor descriptor_;
};

enum class RequestSignal : std::uint8_t {
  none,
  summary,  // SIGUSR1
  hangup,   // SIGHUP, from a service manager
};

class RequestSignals {
 public:
  RequestSignals();

  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }
  // The next one that has come, if any.
  [[nodiscard]] RequestSignal take() const noexcept;

 private:
  ring::Descriptor descriptor_;
};

}  // namespace tcpeek::engine
