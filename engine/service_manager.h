// Tells the service manager how things are, by sd_notify(3): ready, alive, a line of status, stopping.
//
// How it works: libsystemd sends one datagram a call to the socket that NOTIFY_SOCKET names. Without
// that variable nothing happens. Keep-alives are sent only if the manager waits for them
// (WATCHDOG_USEC and WATCHDOG_PID, sd_watchdog_enabled(3)).
//
// A keep-alive says that the reactor turns and that every reader has just answered: who calls alive()
// vouches for both, by calling it with nothing but a snapshot that is made of all readers' reports.
//
// Each datagram takes the calls socket(AF_UNIX, SOCK_DGRAM), getsockopt and setsockopt (SO_SNDBUF,
// SO_SNDBUFFORCE, which may fail), getuid, getgid, sendmsg and close; libsystemd keeps nothing open that
// could be opened early. They need no privilege.
// It reads NOTIFY_SOCKET each time, so the variable stays; tcpeek executes no other program.
//
// Thread contract: the reactor's thread. A manager that reads nothing any more (its queue holds
// hundreds of datagrams) would hold up the reactor, never a reader.
// Errors: told once in the log; what cannot be told to the manager must not end the program.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "engine/log.h"
#include "ipc/snapshot.h"

namespace tcpeek::engine {

// What `systemctl status` shows: attempts and what became of them, drops, interfaces that are down.
[[nodiscard]] std::string status_line(const ipc::Snapshot& snapshot);

class ServiceManager {
 public:
  using Clock = std::chrono::steady_clock;

  // The status changes at most this often: each change is passed on to whoever listens on the bus.
  static constexpr std::chrono::seconds kStatusInterval{2};

  explicit ServiceManager(Log& log);

  void ready(const ipc::Snapshot& snapshot);
  // To be called each second; the watchdog's time should be several of them.
  void alive(const ipc::Snapshot& snapshot, Clock::time_point now = Clock::now());
  void stopping();

 private:
  void send(const std::string& message);

  Log& log_;
  bool present_;
  bool watchdog_;
  bool failure_told_ = false;
  std::string status_;  // as told last
  Clock::time_point status_told_;
};

}  // namespace tcpeek::engine
