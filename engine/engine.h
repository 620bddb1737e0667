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

#include "engine/aggregator.h"
#include "engine/answers.h"
#include "engine/capture.h"
#include "engine/ending_signals.h"
#include "engine/event_fd.h"
#include "engine/filter_matcher.h"
#include "engine/interfaces.h"
#include "engine/line_writer.h"
#include "engine/link_follower.h"
#include "engine/log.h"
#include "engine/mailbox.h"
#include "engine/options.h"
#include "engine/overload.h"
#include "engine/privileges.h"
#include "engine/reporter.h"
#include "engine/sandbox.h"
#include "engine/service_manager.h"
#include "engine/shard.h"
#include "engine/sizing.h"
#include "ipc/reactor.h"
#include "ipc/unix_server.h"
#include "ring/capture_filter.h"
#include "ring/links.h"

namespace tcpeek::engine {

class Engine {
 public:
  // Opens everything and drops privileges.
  Engine(const Options& options, LineWriter& standard_error, LineWriter& standard_output, Log& log);
  ~Engine();

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
  ServiceManager service_manager_;
  const Sandbox sandbox_;

  ring::CaptureFilter capture_filter_;
  FilterMatcher matcher_;
  const ring::LinkState links_;  // at the start
  Interfaces interfaces_;
  const Sizing sizing_;
  Overload overload_;
  ClockReading start_;

  EventFd report_ready_;
  const EndingSignals ending_signals_;
  ipc::Reactor reactor_;
  std::optional<Capture> capture_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::latch last_sent_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<OutcomeQueue*> outcomes_;  // theirs
  std::optional<LinkFollower> link_follower_;
  std::optional<ipc::UnixServer> server_;
  std::optional<Aggregator> aggregator_;
  std::optional<Answers> answers_;
  std::optional<Reporter> reporter_;

  bool telling_ = false;  // and there is more
  bool second_asked_ = false;
  bool not_local_told_ = false;
};

}  // namespace tcpeek::engine
