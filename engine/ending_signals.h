// The signals that ask tcpeek to end. One that is ignored at the start stays so: `nohup` means that the
// program outlives its terminal, and a shell has its background jobs ignore the keyboard. SIGTERM is
// never about a terminal.
//
// Thread contract: the main thread, before signals are caught.
#pragma once

#include <signal.h>

#include <vector>

namespace tcpeek::engine {

[[nodiscard]] inline bool is_ignored(int signal) noexcept {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

[[nodiscard]] inline std::vector<int> ending_signals() {
  std::vector<int> signals{SIGTERM};
  for (const int signal : {SIGINT, SIGHUP}) {
    if (!is_ignored(signal)) signals.push_back(signal);
  }
  return signals;
}

}  // namespace tcpeek::engine
