#include "engine/process/termination_signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <system_error>

namespace tcpeek::engine {
namespace {

bool is_ignored(int signal) noexcept {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

std::vector<int> termination_signals() {
  std::vector<int> signals{SIGTERM};
  for (const int signal : {SIGINT, SIGHUP}) {
    if (!is_ignored(signal)) signals.push_back(signal);
  }
  return signals;
}

TerminationSignals::TerminationSignals() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int signal : termination_signals()) ::sigaddset(&wanted, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr); error != 0) {
    throw std::system_error(error, std::generic_category(), "cannot block signals");
  }
  descriptor_ = ring::Descriptor(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (descriptor_.get() < 0)
    ring::throw_errno("cannot create the descriptor for signals (signalfd)");
}

bool TerminationSignals::came() const noexcept {
  pollfd polled{descriptor_.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

}  // namespace tcpeek::engine
