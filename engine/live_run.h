// Live capture put together: captures, counts, prints and serves until a signal stops it.
//
// Startup order: first what needs privileges (packet sockets, the UNIX socket), then privileges are
// dropped, then the readers start, each filtering its own system calls, and last the reactor's are
// filtered. Members are declared in the order in which they depend on each other. Every resource has
// an owner here, so a failed start leaves nothing behind.
//
// Thread contract: constructed and run by the main thread, which is also the reactor's.
// Errors: UsageError for a wrong command line; std::system_error and std::runtime_error, worded for
// the user, for what the system refused.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "engine/config/options.h"
#include "engine/config/sizing.h"
#include "engine/filters/filter_registry.h"
#include "engine/live/answer_pace.h"
#include "engine/live/capture_sockets.h"
#include "engine/live/explain_collector.h"
#include "engine/live/interfaces.h"
#include "engine/live/kernel_queues.h"
#include "engine/live/link_watcher.h"
#include "engine/live/queue_watch.h"
#include "engine/live/readers.h"
#include "engine/live/services_collector.h"
#include "engine/live/snapshot_collector.h"
#include "engine/live/socket_closer.h"
#include "engine/live/top_collector.h"
#include "engine/live/top_rounds.h"
#include "engine/live_output.h"
#include "engine/live_prefilter.h"
#include "engine/live_reload.h"
#include "engine/live_trends.h"
#include "engine/output/line_writer.h"
#include "engine/output/log.h"
#include "engine/output/loss_warnings.h"
#include "engine/output/reporter.h"
#include "engine/output/systemd_notifier.h"
#include "engine/pipeline/service_members.h"
#include "engine/process/privileges.h"
#include "engine/process/sandbox.h"
#include "engine/process/termination_signals.h"
#include "engine/serve/metrics_replies.h"
#include "engine/serve/request_handler.h"
#include "engine/serve/watchers.h"
#include "ipc/event_log.h"
#include "ipc/failure_examples.h"
#include "ipc/http_server.h"
#include "ipc/reactor.h"
#include "ipc/unix_server.h"
#include "ring/capture_filter.h"
#include "ring/links.h"
#include "ring/steering.h"

namespace tcpeek::engine {

class LiveRun {
 public:
  // Opens everything and drops privileges.
  LiveRun(const Options& options, LineWriter& standard_error, LineWriter& standard_output,
          Log& log);

  // Runs until a signal stops it, then reads what is left in the rings and prints the summary.
  void run();

 private:
  [[nodiscard]] CaptureSockets open_sockets();
  [[nodiscard]] std::vector<ReaderConfig> reader_configs() const;
  void open_server();
  void offer_words();
  void open_metrics();
  [[nodiscard]] bool start_readers();
  void print_banner();
  void watch();
  void each_second();
  void on_second(const ipc::Snapshot& snapshot, bool all_answered, bool changed);
  void look_at_queues();
  void listen(bool listen);
  [[nodiscard]] std::string trouble() const;
  void on_request_signal();
  [[nodiscard]] bool nobody_reads() const noexcept;
  void finish();

  Options options_;                 // as they are now: a reload changes some
  const std::optional<User> user_;  // to become
  LineWriter& standard_error_;
  LineWriter& standard_output_;
  Log& log_;
  SystemdNotifier systemd_notifier_;
  const Sandbox sandbox_;

  const ring::CaptureFilter capture_filter_;
  FilterRegistry filters_;
  const ring::LinkState links_;  // at the start
  Interfaces interfaces_;
  const PrefilterChoice prefilter_;
  const Sizing sizing_;
  LossWarnings loss_warnings_;
  const ClockReading start_;
  const ring::SteeringKey steering_;

  const TerminationSignals termination_signals_;
  const RequestSignals request_signals_;
  ipc::Reactor reactor_;
  SocketCloser socket_closer_;
  CaptureSockets sockets_;
  Readers readers_;
  LinkWatcher link_watcher_;
  SnapshotCollector snapshot_collector_;
  KernelQueueReader kernel_queue_reader_;
  KernelQueues kernel_queues_;  // of the last second
  QueueWatch queue_watch_;
  TopRounds top_rounds_;
  TopCollector top_collector_;
  ExplainCollector explain_collector_;
  ipc::EventLog events_;
  LiveTrends trends_;
  Watchers watchers_;
  ServicesCollector services_collector_;
  ServiceMembers service_members_;
  ipc::FailureExamples failure_examples_;
  MetricsReplies metrics_replies_;
  RequestHandler request_handler_;
  std::optional<ipc::UnixServer> server_;       // none with --no-socket
  std::optional<ipc::HttpServer> http_server_;  // with --metrics-listen
  Reporter reporter_;
  LiveReload reload_;

  LiveOutput output_;
  AnswerPace answer_pace_;

  std::optional<std::chrono::steady_clock::time_point> asked_at_;  // the readers, in vain until now
  bool not_local_reported_ = false;
};

}  // namespace tcpeek::engine
