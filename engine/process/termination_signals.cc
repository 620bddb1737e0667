#include "engine/process/termination_signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>
#include <span>
#include <system_error>

namespace tcpeek::engine {
namespace {

bool is_ignored(int signal) noexcept {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// A blocked signal is kept even if it is ignored (kernel/signal.c, sig_ignored).
ring::Descriptor block_and_read(std::span<const int> signals) {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int signal : signals) ::sigaddset(&wanted, signal);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr); error != 0) {
    throw std::system_error(error, std::generic_category(), "cannot block signals");
  }
  ring::Descriptor descriptor(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (descriptor.get() < 0) ring::throw_errno("cannot open a descriptor for signals (signalfd)");
  return descriptor;
}

}  // namespace

// systemd.exec(5), sd_notify(3).
bool run_by_service_manager() noexcept {
  return std::getenv("INVOCATION_ID") != nullptr || std::getenv("NOTIFY_SOCKET") != nullptr;
}

std::vector<int> termination_signals() {
  std::vector<int> signals{SIGINT, SIGTERM};
  if (!is_ignored(SIGHUP) && !run_by_service_manager()) signals.push_back(SIGHUP);
  return signals;
}

std::vector<int> request_signals() {
  std::vector<int> signals{SIGUSR1};
  if (!is_ignored(SIGHUP) && run_by_service_manager()) signals.push_back(SIGHUP);
  return signals;
}

TerminationSignals::TerminationSignals() : descriptor_(block_and_read(termination_signals())) {}

bool TerminationSignals::came() const noexcept {
  pollfd polled{descriptor_.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

RequestSignals::RequestSignals() : descriptor_(block_and_read(request_signals())) {}

RequestSignal RequestSignals::take() const noexcept {
  signalfd_siginfo info{};
  if (::read(descriptor_.get(), &info, sizeof info) != sizeof info) return RequestSignal::none;
  return info.ssi_signo == SIGHUP ? RequestSignal::hangup : RequestSignal::summary;
}

}  // namespace tcpeek::engine
