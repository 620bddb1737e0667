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
// alive() guarantee both, and see to it often enough: watchdog().
//
// Thread contract: reactor thread only.
// Errors: logged once; a failed notification must not end the program.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <optional>
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
  // Every reader has answered for this snapshot.
  void alive(const ipc::Snapshot& snapshot, Clock::time_point now = Clock::now());
  // Call once a second. Says nothing of readers.
  void status(const ipc::Snapshot& snapshot, Clock::time_point now = Clock::now());
  // Without a keep-alive for that long the manager restarts us; none if it does not watch.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const noexcept {
    return watchdog_;
  }
  void stopping();

 private:
  void find_manager(std::string_view name);
  [[nodiscard]] std::string new_status(const ipc::Snapshot& snapshot, Clock::time_point now);
  void send(std::string_view message);
  void report_failure(int error);

  Log& log_;
  ring::Descriptor socket_;  // not open: there is no manager
  sockaddr_un manager_{};
  socklen_t manager_size_ = 0;
  std::optional<std::chrono::microseconds> watchdog_;
  bool failure_reported_ = false;
  std::string status_;  // last sent
  Clock::time_point status_sent_at_;
};

}  // namespace tcpeek::engine
