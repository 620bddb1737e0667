// The program put together: captures, counts, tells and serves until it is asked to stop.
//
// Order of a start: what needs privileges first (packet sockets, the UNIX socket), then they are
// dropped, then the readers begin, each filtering its system calls, and last the reactor's are
// filtered. Nothing that fails leaves anything behind: every resource has an owner here, and they go
// in the opposite order.
//
// Thread contract: made and run by the main thread, which is the reactor's.
// Errors: UsageError for what the command line got wrong; std::system_error and std::runtime_error,
// in words for people, for what the machine refused.
#pragma once

#include <latch>
#include <memory>
#include <optional>
#include <vector>

#include "engine/base/event_fd.h"
#include "engine/config/options.h"
#include "engine/config/sizing.h"
#include "engine/filters/filter_matcher.h"
#include "engine/live/capture_sockets.h"
#include "engine/live/interfaces.h"
#include "engine/live/link_watcher.h"
#include "engine/live/mailbox.h"
#include "engine/live/reader.h"
#include "engine/live/snapshot_collector.h"
#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/output/loss_warnings.h"
#include "engine/output/reporter.h"
#include "engine/output/systemd_notifier.h"
#include "engine/process/privileges.h"
#include "engine/process/sandbox.h"
#include "engine/process/termination_signals.h"
#include "engine/serve/request_handler.h"
#include "ipc/reactor.h"
#include "ipc/unix_server.h"
#include "ring/capture_filter.h"
#include "ring/links.h"

namespace tcpeek::engine {

class LiveRun {
 public:
  // Opens everything and drops privileges.
  LiveRun(const Options& options, LineWriter& standard_error, LineWriter& standard_output,
          Log& log);
  ~LiveRun();

  // Until SIGINT, SIGTERM or SIGHUP; then reads what was captured and prints the summary.
  void run();

 private:
  void check_filter() const;
  void open_capture();
  void open_sockets(const ring::SteeringKey& steering, const ring::RingGeometry& geometry);
  void open_socket();
  void drop_privileges();
  void print_banner();
  void start_readers();
  void watch();
  void tell();
  void on_second(const ipc::Snapshot& snapshot);
  void finish();
  [[nodiscard]] ipc::Snapshot snapshot_frame() const;

  const Options options_;
  const std::optional<User> user_;  // to become
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  Log& log_;
  SystemdNotifier systemd_notifier_;
  const Sandbox sandbox_;

  ring::CaptureFilter capture_filter_;
  FilterMatcher matcher_;
  const ring::LinkState links_;  // at the start
  Interfaces interfaces_;
  const Sizing sizing_;
  LossWarnings loss_warnings_;
  ClockReading start_;

  EventFd report_ready_;
  const TerminationSignals termination_signals_;
  ipc::Reactor reactor_;
  std::optional<CaptureSockets> capture_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::latch last_sent_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<OutcomeQueue*> outcomes_;  // theirs
  std::optional<LinkWatcher> link_watcher_;
  std::optional<ipc::UnixServer> server_;
  std::optional<SnapshotCollector> snapshot_collector_;
  std::optional<RequestHandler> request_handler_;
  std::optional<Reporter> reporter_;

  bool telling_ = false;  // and there is more
  bool second_asked_ = false;
  bool not_local_told_ = false;
};

}  // namespace tcpeek::engine
