#include "engine/live_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "engine/config/tracker_settings.h"
#include "engine/output/summary.h"
#include "engine/process/fd_limit.h"
#include "ring/geometry.h"

namespace tcpeek::engine {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTellInterval{100};
// Told in a few milliseconds.
constexpr std::size_t kToldAtOnce = 2048;
constexpr milliseconds kShutdownFlushTimeout{2000};
// Beside clients: a client turned away, a netlink socket, a file of the system's.
constexpr std::size_t kPassingDescriptors = 8;
constexpr const char* kDefaultSocket = "/var/run/tcpeek/tcpeek.sock";

ring::CaptureFilter to_capture_filter(const Options& options) {
  return {.scope = options.capture == CaptureMode::tcp ? ring::CaptureScope::tcp
                                                       : ring::CaptureScope::handshake,
          .icmp = options.icmp,
          .narrowed_by = options.bpf};
}

Sizing to_sizing(const Options& o) {
  return choose_sizing({o.threads, o.cpus, o.ring_mib, o.max_sessions}, allowed_cpus());
}

std::string in_words(const ring::CaptureFilter& filter) {
  std::string words = filter.scope == ring::CaptureScope::tcp
                          ? "all TCP segments"
                          : "SYN, RST and segments without payload";
  if (filter.icmp) words += ", ICMP destination unreachable";
  if (!filter.narrowed_by.empty()) words += ", where " + filter.narrowed_by;
  return words;
}

// What to do about a refusal of the kernel, where that is known.
std::string advice_for(const std::error_code& code, bool some_down) {
  if (code == std::errc::operation_not_permitted || code == std::errc::permission_denied) {
    return "; capturing needs CAP_NET_RAW: start tcpeek as root, or give the binary the capability "
           "(setcap cap_net_raw+ep)";
  }
  if (code == std::errc::not_enough_memory) {
    return "; try smaller rings (-B) or fewer readers (--threads)";
  }
  if (code == std::errc::invalid_argument && some_down) {
    return "; before Linux 6.13 several readers need an interface that is up: set it up first, or "
           "say --threads 1";
  }
  return descriptor_advice(code);
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
      sandbox_(make_sandbox(options, {Role::reactor, Role::reader}, log)),
      capture_filter_(to_capture_filter(options)),
      matcher_(options.filters),
      links_(ring::read_links()),
      interfaces_(options.interfaces, options.local, links_),
      sizing_(to_sizing(options)),
      loss_warnings_(sizing_),
      start_(read_clocks()),
      last_sent_(static_cast<std::ptrdiff_t>(sizing_.cpus.size())) {
  check_filter();
  reactor_.on_readable(termination_signals_.descriptor(), [this] { reactor_.stop(); });
  open_capture();
  open_socket();
  capture_->open_spares(ensure_descriptors(ipc::ServerLimits{}.max_clients + kPassingDescriptors,
                                           capture_->spares_wanted()));
  drop_privileges();
}

LiveRun::~LiveRun() {
  // Readers wait for each other when they end: all must know before the first is joined.
  for (const auto& reader : readers_) reader->stop();
}

void LiveRun::check_filter() const {
  try {
    for (const ring::CaptureTarget& target : interfaces_.targets()) {
      static_cast<void>(ring::capture_program(capture_filter_, target.access, 0));
    }
  } catch (const ring::FilterSyntaxError& e) {
    throw UsageError(fmt::format("--bpf: '{}' is no filter expression (pcap-filter(7)): {}",
                                 options_.bpf, e.what()));
  }
}

void LiveRun::open_capture() {
  std::random_device device;
  const ring::SteeringKey steering = random_steering(device);
  const ring::RingGeometry geometry = ring::ring_geometry(sizing_.ring_mib);
  const auto readers = static_cast<unsigned>(sizing_.cpus.size());
  open_sockets(steering, geometry);
  auto sources = capture_->take_sources();
  const Locality locality = interfaces_.locality(links_);
  for (unsigned i = 0; i < readers; ++i) mailboxes_.push_back(std::make_unique<Mailbox>(readers));
  for (unsigned i = 0; i < readers; ++i) {
    const ReaderConfig config{
        .id = i,
        .cpu = sizing_.cpus[i],
        .tracker = tracker_config(options_, readers, device),
        .verify = options_.checksum,
        .steering = steering,
        .ring_retire = geometry.retire,
        .tell_outcomes = !options_.quiet,
        .start = start_,
        .sandbox = &sandbox_,
    };
    readers_.push_back(std::make_unique<Reader>(config, std::move(sources[i]), matcher_, locality,
                                                mailboxes_, report_ready_));
    outcomes_.push_back(&readers_.back()->outcomes());
  }
  link_watcher_.emplace(interfaces_, locality, *capture_, readers_, log_);
}

void LiveRun::open_sockets(const ring::SteeringKey& steering, const ring::RingGeometry& geometry) {
  const auto filter_for = [this](const ring::CaptureTarget& target) {
    return ring::capture_program(capture_filter_, target.access,
                                 interfaces_.loopback_index(target));
  };
  try {
    capture_.emplace(CaptureConfig{.readers = static_cast<unsigned>(sizing_.cpus.size()),
                                   .geometry = geometry,
                                   .promiscuous = options_.promiscuous,
                                   .steering = ring::steering_program(steering)},
                     interfaces_.targets(), filter_for);
  } catch (const std::system_error& e) {
    const bool some_down = std::ranges::count(interfaces_.stats(), ipc::InterfaceState::down,
                                              &ipc::InterfaceStats::state) != 0;
    throw std::runtime_error(e.what() + advice_for(e.code(), some_down));
  }
}

void LiveRun::open_socket() {
  const auto parent = options_.socket_path == kDefaultSocket ? ipc::SocketPath::Parent::make
                                                             : ipc::SocketPath::Parent::must_exist;
  ipc::SocketPath path = ipc::SocketPath::listen(options_.socket_path, parent);
  if (user_) path.allow_group(user_->gid);
  server_.emplace(reactor_, std::move(path), ipc::ServerLimits{},
                  [this](std::string word, ipc::UnixServer::Reply reply) {
                    request_handler_->ask(std::move(word), std::move(reply));
                  });
}

void LiveRun::drop_privileges() {
  if (user_) become(*user_);
  drop_capabilities();
}

void LiveRun::run() {
  snapshot_collector_.emplace(reactor_, report_ready_, readers_,
                              [this] { return snapshot_frame(); });
  request_handler_.emplace(reactor_, *snapshot_collector_);
  reporter_.emplace(options_.output, standard_error_, standard_output_, matcher_,
                    [this](std::uint16_t index) { return interfaces_.name_of(index); });
  for (const std::string& warning : options_.warnings) log_.warning("{}", warning);
  start_readers();
  sandbox_.enter(Role::reactor);
  print_banner();
  watch();
  reactor_.run();
  finish();
}

void LiveRun::print_banner() {
  std::vector<std::string> names;
  std::vector<std::string> types;
  for (const ring::CaptureTarget& target : interfaces_.targets()) {
    names.push_back(target.name);
    std::string type = fmt::format("{} ({})", ring::link_type_name(target.access),
                                   ring::link_type_description(target.access));
    if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
  }
  standard_error_.line(fmt::format("listening on {}, link-type {}, capture size {} bytes",
                                   fmt::join(names, ", "), fmt::join(types, ", "),
                                   ring::kSnapLength));
  const std::uint64_t table_mib =
      flowtable::AttemptTable::memory_for(sizing_.sessions_per_reader) >> 20;
  const std::uint64_t mib =
      readers_.size() * (interfaces_.targets().size() * sizing_.ring_mib + table_mib);
  standard_error_.line(
      fmt::format("{} reader{} with rings of {} MiB and room for {} attempts each, {} MiB in all, "
                  "kernel filter: {}",
                  readers_.size(), readers_.size() == 1 ? "" : "s", sizing_.ring_mib,
                  sizing_.sessions_per_reader, mib, in_words(capture_filter_)));
  const bool any = interfaces_.targets().front().index == 0;
  if (any && options_.promiscuous) {
    log_.warning("--promisc has no effect on any: name the interfaces with -i");
  }
  if (!options_.quiet) reporter_->begin();
  standard_error_.flush();
}

void LiveRun::start_readers() {
  std::size_t started = 0;
  try {
    for (const auto& reader : readers_) {
      ++started;
      reader->start(last_sent_);
      if (reader->cpu()) log_.info("reader {} runs on CPU {}", reader->id(), *reader->cpu());
    }
  } catch (...) {
    // Those that did start must not wait for the others when they stop.
    last_sent_.count_down(static_cast<std::ptrdiff_t>(readers_.size() - started));
    throw;
  }
  if (!readers_.front()->cpu()) {
    log_.notice(
        "readers are not pinned to CPUs, as a system call filter forbids sched_setaffinity: the "
        "service's pin-readers.conf allows it, for a busy host");
  }
}

void LiveRun::watch() {
  link_watcher_->watch(reactor_);
  reactor_.every(kTellInterval, [this] {
    if (!options_.quiet && !telling_) tell();
    standard_error_.flush();
    standard_output_.flush();
  });
  reactor_.every(std::chrono::seconds(1), [this] {
    // A reader that hangs does not answer: asking again would only pile up.
    if (std::exchange(second_asked_, true)) return;
    snapshot_collector_->collect([this](const ipc::Snapshot& snapshot) {
      second_asked_ = false;
      on_second(snapshot);
    });
  });
  snapshot_collector_->collect(
      [this](const ipc::Snapshot& snapshot) { systemd_notifier_.ready(snapshot); });
}

// A part of what there is at a time, so that clients need not wait for all of it.
void LiveRun::tell() {
  telling_ = reporter_->tell(outcomes_, kToldAtOnce);
  if (telling_) reactor_.post([this] { tell(); });
}

void LiveRun::on_second(const ipc::Snapshot& snapshot) {
  systemd_notifier_.alive(snapshot);
  link_watcher_->each_second();
  for (const std::string& warning : loss_warnings_.warnings(snapshot, LossWarnings::Clock::now())) {
    log_.warning("{}", warning);
  }
  if (!not_local_told_ && snapshot.attempts_not_local != 0) {
    not_local_told_ = true;
    log_.notice(
        "saw attempts between hosts that are both not local, which no filter counts: "
        "on a mirror port say with --local NET what is local");
  }
}

ipc::Snapshot LiveRun::snapshot_frame() const {
  const ClockReading now = read_clocks();
  ipc::Snapshot s;
  s.version = TCPEEK_VERSION;
  const auto to_time = [](std::chrono::nanoseconds wall) {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(wall));
  };
  s.started = to_time(start_.wall);
  s.taken = to_time(now.wall);
  s.uptime = std::chrono::duration_cast<milliseconds>(now.monotonic - start_.monotonic);
  s.interfaces = interfaces_.stats();
  s.filters.reserve(matcher_.counted().size());
  for (const FilterExpression& filter : matcher_.counted()) {
    s.filters.push_back({.name = filter.name, .expression = filter.text, .counts = {}});
  }
  if (server_) s.server = server_->stats();
  s.server.lines_lost = standard_error_.lost() + standard_output_.lost();
  return s;
}

void LiveRun::finish() {
  systemd_notifier_.stopping();
  for (const auto& reader : readers_) reader->stop();
  for (const auto& reader : readers_) reader->join();
  while (!options_.quiet && reporter_->tell(outcomes_)) {
  }
  link_watcher_->read_links();
  standard_error_.line("");
  standard_error_.line(summary(snapshot_collector_->last()));
  standard_error_.flush_for(kShutdownFlushTimeout);
  standard_output_.flush_for(kShutdownFlushTimeout);
}

}  // namespace tcpeek::engine
