#include "engine/live_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <utility>

#include "engine/base/text.h"
#include "engine/base/usage_error.h"
#include "engine/capture_filter_of.h"
#include "engine/config/random_keys.h"
#include "engine/config/tracker_settings.h"
#include "engine/live/capture_words.h"
#include "engine/output/banner.h"
#include "engine/output/summary.h"
#include "engine/process/fd_limit.h"
#include "engine/process/inherited_socket.h"
#include "engine/reporter_config_of.h"
#include "engine/web_of.h"
#include "ipc/tcp_listener.h"
#include "ring/geometry.h"

namespace tcpeek::engine {
namespace {

constexpr std::chrono::milliseconds kShutdownFlushTimeout{2000};
// Besides clients: one being turned away, a netlink socket, a system file.
constexpr std::size_t kTransientDescriptors = 8;
// Of the readers, once they are asked; then /healthz tells of it.
constexpr std::chrono::seconds kMostSilence{4};
constexpr const char* kDefaultSocket = "/var/run/tcpeek/tcpeek.sock";

std::string new_boot() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

std::vector<std::string> names_of(const FilterRegistry& filters) {
  std::vector<std::string> names;
  for (const FilterRegistry::Entry& entry : filters.entries()) {
    if (!entry.removed) names.push_back(entry.filter->name);
  }
  return names;
}

ring::SteeringKey new_steering_key() {
  std::random_device device;
  return random_steering(device);
}

bool always_listens(const Options& options) {
  return !options.quiet || options.count || options.metrics_exemplars;
}

}  // namespace

LiveRun::LiveRun(const Options& options, LineWriter& standard_error, LineWriter& standard_output,
                 Log& log)
    : options_(options),
      user_(options.user ? std::optional(find_user(*options.user)) : std::nullopt),
      standard_error_(standard_error),
      standard_output_(standard_output),
      log_(log),
      systemd_notifier_(log),
      sandbox_(options.no_seccomp ? Sandbox()
                                  : Sandbox({Role::reactor, Role::reader}, options.log_to_syslog)),
      capture_filter_(capture_filter_of(options)),
      filters_(options.filters),
      links_(ring::read_links()),
      interfaces_(options.interfaces, options.local, links_),
      prefilter_(options, capture_filter_, interfaces_, log),
      sizing_(live_sizing(options, interfaces_.targets().size())),
      loss_warnings_({.ring_mib = sizing_.ring_mib, .readers = sizing_.cpus.size()}),
      start_(read_clocks()),
      steering_(new_steering_key()),
      sockets_(open_sockets()),
      readers_(reader_configs(), sockets_.take_sources(), filters_, interfaces_.locality(links_),
               socket_closer_),
      link_watcher_(interfaces_, interfaces_.locality(links_), sockets_, readers_, filters_, log),
      snapshot_collector_(reactor_, readers_, filters_, interfaces_, start_),
      top_rounds_(reactor_, readers_),
      top_collector_(top_rounds_),
      explain_collector_(snapshot_collector_, top_rounds_, options.local.empty()),
      events_(new_boot()),
      trends_(options.health, top_collector_, events_, log),
      watchers_(
          events_, [this] { return names_of(filters_); },
          [this](bool listen_now) { listen(listen_now); }),
      services_collector_(top_rounds_),
      service_members_({.local = options.metrics_services,
                        .remote = options.metrics_services_tx ? options.metrics_services : 0}),
      metrics_replies_(
          [this](const std::function<void(const ipc::ServiceMetrics&)>& receiver) {
            if (!service_members_.any_wanted()) return receiver({});
            services_collector_.collect(service_members_,
                                        [this, receiver](ipc::ServiceMetrics services) {
                                          trends_.describe(services);
                                          receiver(services);
                                        });
          },
          options.metrics_exemplars ? &failure_examples_ : nullptr),
      request_handler_(
          reactor_,
          [&collector = snapshot_collector_](SnapshotCollector::Receiver receiver) {
            collector.collect(std::move(receiver));
          },
          [this](const ipc::TopRequest& request, TopCollector::Receiver receiver) {
            top_collector_.collect(request, [this, receiver = std::move(receiver)](ipc::Top top) {
              trends_.describe(top);
              receiver(top);
            });
          }),
      reporter_(
          reporter_config(options), standard_error, standard_output, filters_,
          [&interfaces = interfaces_](std::uint16_t index) { return interfaces.name_of(index); },
          &events_),
      reload_(options_, filters_, link_watcher_, trends_.health(), reporter_, log),
      output_(reactor_, readers_, reporter_, watchers_, {standard_error, standard_output},
              always_listens(options)),
      answer_pace_(readers_.size(), systemd_notifier_.watchdog()) {
  log_.open_journal();
  snapshot_collector_.include(standard_error);
  snapshot_collector_.include(standard_output);
  snapshot_collector_.annotate([this](ipc::Snapshot& snapshot) {
    trends_.describe(snapshot);
    queue_watch_.judge(snapshot.queues, QueueWatch::Clock::now(),
                       snapshot.taken.time_since_epoch());
    snapshot.server.deltas_displaced = request_handler_.deltas().displaced();
    snapshot.prefilter = prefilter_.stats();
  });
  request_handler_.offer(metrics_replies_);
  if (options_.metrics_exemplars) reporter_.keep(failure_examples_);
  constexpr ipc::ServerLimits kLimits;
  const std::size_t clients = kLimits.max_clients * (options_.metrics_listen ? 2U : 1U) +
                              kLimits.max_streams * (options_.web ? 2U : 1U);
  const std::size_t needed = clients + kTransientDescriptors;
  // What is open by now may be all that the soft limit allows.
  static_cast<void>(ensure_descriptors(needed, 0));
  if (!options_.no_socket || options_.web) offer_words();
  if (!options_.no_socket) open_server();
  if (options_.metrics_listen) open_metrics();
  sockets_.open_spares(ensure_descriptors(needed, sockets_.spares_wanted()));
  drop_privileges(user_);
}

CaptureSockets LiveRun::open_sockets() {
  const CaptureConfig config{.readers = static_cast<unsigned>(sizing_.cpus.size()),
                             .geometry = ring::ring_geometry(sizing_.ring_mib),
                             .promiscuous = options_.promiscuous,
                             .steering = ring::steering_program(steering_)};
  try {
    return {config, interfaces_.targets(),
            [this](const ring::CaptureTarget& target) { return prefilter_.filter_for(target); },
            socket_closer_};
  } catch (const ring::FilterSyntaxError& e) {
    throw UsageError(fmt::format("--bpf: {} is not a filter expression (pcap-filter(7)): {}",
                                 in_quotes(options_.bpf), printable(e.what())));
  } catch (const ring::FilterNotLive& e) {
    throw UsageError(fmt::format("--bpf: {}: watch its interface (-i eth0.10)", e.what()));
  } catch (const std::system_error& e) {
    throw std::runtime_error(e.what() + advice_for_capture(e.code(), interfaces_));
  }
}

std::vector<ReaderConfig> LiveRun::reader_configs() const {
  std::random_device device;
  std::vector<ReaderConfig> configs;
  for (unsigned i = 0; i < sizing_.cpus.size(); ++i) {
    configs.push_back({.id = i,
                       .cpu = sizing_.cpus[i],
                       .tracker = tracker_config(options_, sizing_.sessions_per_reader, device),
                       .decoding = options_.decoding(),
                       .steering = steering_,
                       .ring_retire = ring::ring_geometry(sizing_.ring_mib).retire,
                       .queue_outcomes = always_listens(options_),
                       .start = start_,
                       .sandbox = &sandbox_});
    if (!options_.prefault) configs.back().tracker.memory = flowtable::TableMemory::grows;
  }
  return configs;
}

void LiveRun::open_server() {
  const auto parent = options_.socket_path == kDefaultSocket ? ipc::SocketPath::Parent::make
                                                             : ipc::SocketPath::Parent::must_exist;
  ipc::SocketPath path = ipc::SocketPath::listen(options_.socket_path, parent);
  if (user_) path.allow_group(user_->gid);
  const ipc::ServerLimits limits{.owner = user_ ? user_->uid : ::geteuid()};
  server_.emplace(reactor_, std::move(path), limits, [this](std::string request, ipc::Reply reply) {
    if (auto reloaded = reload_.answer(request)) return reply(*std::move(reloaded));
    request_handler_.ask(std::move(request), std::move(reply));
  });
  snapshot_collector_.include(*server_);
}

// What needs somebody who could ask for it.
void LiveRun::offer_words() {
  request_handler_.offer(trends_.keep_history());
  request_handler_.offer([this](ExplainCollector::Receiver receiver) {
    explain_collector_.collect(std::move(receiver));
  });
  request_handler_.offer([this](std::string_view line, const ipc::Reply& reply) {
    return watchers_.ask(line, reply);
  });
}

void LiveRun::open_metrics() {
  const MetricsListen& listen = *options_.metrics_listen;
  ipc::UniqueFd listener = listen.inherited ? ipc::UniqueFd(inherited_tcp_listener().release())
                                            : ipc::listen_on(listen.address, listen.port);
  const std::string address = ipc::address_of(listener.get());
  log_.info("metrics are at http://{}/metrics", address);
  ipc::HttpServer::Handlers handlers{
      .metrics =
          [this](const ipc::MetricsRequest& request, ipc::Reply reply) {
            request_handler_.ask(to_line(request), std::move(reply));
          },
      .trouble = [this] { return trouble(); }};
  if (options_.web) {
    log_.notice("the page is at http://{}/", address);
    handlers.web = web_of(events_.boot(), request_handler_);
  }
  http_server_.emplace(reactor_, std::move(listener), ipc::http_limits(), std::move(handlers));
  snapshot_collector_.include(*http_server_);
}

void LiveRun::run() {
  for (const std::string& warning : options_.warnings) log_.warning("{}", warning);
  if (sockets_were_handed_over() &&
      !(options_.metrics_listen && options_.metrics_listen->inherited)) {
    log_.warning(
        "the service manager passed a socket that nothing serves: add --metrics-listen systemd, or "
        "disable tcpeek-metrics.socket");
  }
  if (start_readers()) {
    socket_closer_.make_helpers(helpers_to_close(sockets_.waits_to_close(), readers_.size() + 1),
                                sandbox_);
    sandbox_.enter(Role::reactor);
    print_banner();
    watch();
    reactor_.run();
  }
  finish();
}

bool LiveRun::start_readers() {
  if (!readers_.start([this] { return termination_signals_.came(); })) return false;
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    if (const auto cpu = readers_[i].cpu()) log_.info("reader {} runs on CPU {}", i, *cpu);
  }
  if (!readers_[0].cpu()) {
    log_.notice(
        "readers are not pinned to CPUs, as a system call filter forbids sched_setaffinity: on a "
        "busy host, install the drop-in pin-readers.conf");
  }
  return true;
}

void LiveRun::print_banner() {
  LiveBanner banner;
  banner.filter = in_words(capture_filter_);
  banner.prefilter = prefilter_.in_words();
  banner.capture_bytes = ring::kSnapLength;
  banner.readers = readers_.size();
  banner.ring_mib = sizing_.ring_mib;
  banner.sessions_each = sizing_.sessions_per_reader;
  banner.table_bytes_each = flowtable::AttemptTable::memory_for(sizing_.sessions_per_reader);
  for (const ring::CaptureTarget& target : interfaces_.targets()) {
    banner.interfaces.push_back(target.name);
    banner.link_types.push_back(fmt::format("{} ({})", ring::link_type_name(target.access),
                                            ring::link_type_description(target.access)));
  }
  for (const std::string& line : lines_of(banner)) standard_error_.line(line);
  if (options_.promiscuous && interfaces_.targets().front().index == 0) {
    log_.warning("--promisc has no effect on any: name the interfaces with -i");
  }
  reporter_.begin();
  standard_error_.flush();
}

void LiveRun::watch() {
  reactor_.on_readable(termination_signals_.descriptor(), [this] { reactor_.stop(); });
  reactor_.on_readable(request_signals_.descriptor(), [this] { on_request_signal(); });
  link_watcher_.watch(reactor_);
  look_at_queues();
  output_.watch([this] { return reporter_.done() || nobody_reads(); });
  reactor_.every(std::chrono::seconds(1), [this] { each_second(); });
  if (options_.duration) reactor_.after(*options_.duration, [this] { reactor_.stop(); });
  snapshot_collector_.collect(
      [this](const ipc::Snapshot& snapshot) { systemd_notifier_.ready(snapshot); });
}

// Of JSON lines, as behind `| head -1`. A service goes on: it is there to be asked.
bool LiveRun::nobody_reads() const noexcept {
  if (options_.output != OutputFormat::json || options_.quiet) return false;
  return !run_by_service_manager() && standard_output_.abandoned();
}

// A reader answers within milliseconds.
std::string LiveRun::trouble() const {
  if (!asked_at_) return {};
  const auto silent = std::chrono::steady_clock::now() - *asked_at_;
  if (silent < kMostSilence) return {};
  return fmt::format("the readers have not answered for {} s",
                     std::chrono::floor<std::chrono::seconds>(silent).count());
}

void LiveRun::each_second() {
  if (nobody_reads()) return reactor_.stop();
  // A reader that hangs does not answer: asking again would only pile up requests.
  if (asked_at_) return;
  const auto now = std::chrono::steady_clock::now();
  asked_at_ = now;
  const bool all = answer_pace_.due(now);
  const bool changed = readers_.changed();
  const auto receiver = [this, all, changed](const ipc::Snapshot& snapshot) {
    asked_at_.reset();
    on_second(snapshot, all, changed);
  };
  if (all) {
    snapshot_collector_.collect(receiver);
  } else {
    snapshot_collector_.collect_changes(receiver);
  }
}

void LiveRun::on_second(const ipc::Snapshot& snapshot, bool all_answered, bool changed) {
  if (all_answered) {
    systemd_notifier_.alive(snapshot);
  } else {
    systemd_notifier_.status(snapshot);
  }
  link_watcher_.each_second();
  // Outcomes are told under the names of their filters.
  if (!output_.printing()) readers_.settle(filters_);
  look_at_queues();
  readers_.release_queues();
  trends_.on_second(snapshot, changed);
  watchers_.each_second();
  for (const LossWarning& warning : loss_warnings_.warnings(snapshot, LossWarnings::Clock::now())) {
    log_.write(LOG_WARNING, warning.text, warning.entry);
  }
  if (!not_local_reported_ && snapshot.attempts_not_local != 0) {
    not_local_reported_ = true;
    log_.notice(
        "saw attempts between hosts of which neither is local, which no filter counts: "
        "on a mirror port, name your networks with --local NET");
  }
}

void LiveRun::look_at_queues() {
  kernel_queue_reader_.read(kernel_queues_);
  queue_watch_.look(kernel_queues_, QueueWatch::Clock::now());
}

// Where outcomes are printed they are queued all the time.
void LiveRun::listen(bool listen) {
  if (always_listens(options_)) return;
  output_.listen(listen);
  readers_.listen(listen);
  if (listen) trends_.tell_of_unwatched();
}

void LiveRun::on_request_signal() {
  switch (request_signals_.take()) {
    case RequestSignal::none:
      return;
    case RequestSignal::summary:
      return top_collector_.collect(kSummaryServices, [this](const ipc::Top& top) {
        snapshot_collector_.collect([this, top](const ipc::Snapshot& snapshot) {
          standard_error_.line(summary(snapshot, top.services));
          standard_error_.flush();
        });
      });
    case RequestSignal::hangup:
      log_.notice(
          "SIGHUP is ignored: to load new filters, use systemctl reload or tcpeek --config FILE "
          "--reload");
  }
}

void LiveRun::finish() {
  systemd_notifier_.stopping();
  link_watcher_.finish();
  sockets_.close();
  readers_.stop();
  output_.finish();
  standard_error_.line("");
  const ipc::Top top = top_at_once(
      kSummaryServices, [this](const TopQuery& query) { return readers_.answer_at_once(query); },
      std::chrono::system_clock::now());
  standard_error_.line(summary(snapshot_collector_.last(), top.services));
  standard_error_.flush_for(kShutdownFlushTimeout);
  standard_output_.flush_for(kShutdownFlushTimeout);
  socket_closer_.close_all();
}

}  // namespace tcpeek::engine
