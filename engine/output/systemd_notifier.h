// Tells the service manager how things are: ready, alive, a line of status, stopping.
//
// How it works: the protocol of sd_notify(3), a datagram for each message to the socket that
// NOTIFY_SOCKET names. Without that variable nothing happens. Keep-alives are sent only if the manager
// waits for them (WATCHDOG_USEC and WATCHDOG_PID, sd_watchdog_enabled(3)).
//
// Not by libsystemd, which opens a socket for each message and waits when the manager does not read: the
// one ends a healthy service when the machine has no descriptors left, the other stops its reactor when
// process 1 hangs. Here the socket is opened at the start, and nothing waits.
//
// A keep-alive says that the reactor turns and that every reader has just answered: who calls alive()
// vouches for both, by calling it with nothing but a snapshot that is made of all readers' reports.
//
// Thread contract: the reactor's thread.
// Errors: told once in the log; what cannot be told to the manager must not end the program.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <string>
#include <string_view>

#include "engine/output/log.h"
#include "ipc/snapshot.h"
#include "ring/descriptor.h"

namespace tcpeek::engine {

// What `systemctl status` shows: attempts and what became of them, drops, interfaces that are down.
[[nodiscard]] std::string status_line(const ipc::Snapshot& snapshot);

class SystemdNotifier {
 public:
  using Clock = std::chrono::steady_clock;

  // The status changes at most this often: each change is passed on to whoever listens on the bus.
  static constexpr std::chrono::seconds kStatusInterval{2};

  explicit SystemdNotifier(Log& log);

  void ready(const ipc::Snapshot& snapshot);
  // To be called each second; the watchdog's time should be several of them.
  void alive(const ipc::Snapshot& snapshot, Clock::time_point now = Clock::now());
  void stopping();

 private:
  void find_manager(std::string_view name);
  void send(std::string_view message);
  void tell_failure(int error);

  Log& log_;
  ring::Descriptor socket_;  // none: there is no manager
  sockaddr_un manager_{};
  socklen_t manager_size_ = 0;
  bool watchdog_ = false;
  bool failure_told_ = false;
  std::string status_;  // as told last
  Clock::time_point status_told_;
};

}  // namespace tcpeek::engine
