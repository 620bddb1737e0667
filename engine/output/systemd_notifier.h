// Notifies the service manager: ready, alive, a status line, stopping.
//
// How it works: the protocol of sd_notify(3), a datagram for each message to the socket that
// NOTIFY_SOCKET names. Without that variable nothing is sent. Keep-alives are sent only if the manager
// expects them (WATCHDOG_USEC and WATCHDOG_PID, sd_watchdog_enabled(3)).
//
// libsystemd is not used: it opens a socket for each message, so a healthy service would be killed when
// the machine runs out of descriptors, and it blocks when the manager does not read, so the reactor would
// stall when process 1 hangs. Here the socket is opened at the start, and sending never blocks.
//
// A keep-alive means that the reactor is running and that every reader has just answered. Callers of
// alive() guarantee both by passing only a snapshot made from the reports of all readers.
//
// Thread contract: reactor thread only.
// Errors: logged once; a failed notification must not end the program.
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

  // The status changes at most this often: systemd announces each change on the bus.
  static constexpr std::chrono::seconds kStatusInterval{2};

  explicit SystemdNotifier(Log& log);

  void ready(const ipc::Snapshot& snapshot);
  // Call once a second; the watchdog's timeout should be several seconds.
  void alive(const ipc::Snapshot& snapshot, Clock::time_point now = Clock::now());
  void stopping();

 private:
  void find_manager(std::string_view name);
  void send(std::string_view message);
  void report_failure(int error);

  Log& log_;
  ring::Descriptor socket_;  // not open: there is no manager
  sockaddr_un manager_{};
  socklen_t manager_size_ = 0;
  bool watchdog_ = false;
  bool failure_reported_ = false;
  std::string status_;  // last sent
  Clock::time_point status_sent_at_;
};

}  // namespace tcpeek::engine
