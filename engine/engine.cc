#include "engine/engine.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <random>

#include "engine/privileges.h"
#include "engine/summary.h"
#include "ipc/stats_json.h"
#include "ring/capture_group.h"
#include "ring/geometry.h"

namespace tcpeek::engine {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTellInterval{100};
constexpr milliseconds kLinksSettle{50};
constexpr milliseconds kLastWords{2000};
constexpr const char* kDefaultSocket = "/var/run/tcpeek/tcpeek.sock";

std::uint32_t random_word(std::random_device& device) {
  return static_cast<std::uint32_t>(device());
}

flowtable::KeyHash::Secret random_secret(std::random_device& device) {
  flowtable::KeyHash::Secret secret;
  for (std::byte& b : secret) b = static_cast<std::byte>(random_word(device));
  return secret;
}

ring::SteeringKey random_steering(std::random_device& device) {
  return ring::SteeringKey::from(
      {random_word(device), random_word(device), random_word(device), random_word(device)});
}

flowtable::Verify to_verify(ChecksumMode mode) noexcept {
  switch (mode) {
    case ChecksumMode::none:
      return flowtable::Verify::none;
    case ChecksumMode::ip_header:
      return flowtable::Verify::ip_header;
    case ChecksumMode::ip_and_transport:
      return flowtable::Verify::ip_and_transport;
  }
  return flowtable::Verify::none;
}

flowtable::Link to_link(ring::Access access) noexcept {
  return access == ring::Access::link_layer ? flowtable::Link::ethernet : flowtable::Link::network;
}

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

}  // namespace

Engine::Engine(const Options& options, LineWriter& standard_error, LineWriter& standard_output,
               Log& log)
    : options_(options),
      standard_error_(standard_error),
      standard_output_(standard_output),
      log_(log),
      capture_filter_(to_capture_filter(options)),
      matcher_(options.filters),
      links_(ring::read_links()),
      interfaces_(options.interfaces, options.local, links_),
      sizing_(to_sizing(options)),
      start_(read_clocks()),
      last_sent_(static_cast<std::ptrdiff_t>(sizing_.cpus.size())) {
  check_filter();
  reactor_.on_signals({SIGINT, SIGTERM}, [this](int) { reactor_.stop(); });
  open_capture();
  open_socket();
  drop_privileges();
}

Engine::~Engine() = default;

void Engine::check_filter() const {
  try {
    for (const ring::CaptureTarget& target : interfaces_.targets()) {
      static_cast<void>(ring::capture_program(capture_filter_, target.access, 0));
    }
  } catch (const ring::FilterSyntaxError& e) {
    throw UsageError(fmt::format("--bpf: '{}' is no filter expression (pcap-filter(7)): {}",
                                 options_.bpf, e.what()));
  }
}

void Engine::open_capture() {
  std::random_device device;
  const ring::SteeringKey steering = random_steering(device);
  const auto steering_code = ring::steering_program(steering);
  const auto readers = static_cast<unsigned>(sizing_.cpus.size());
  const ring::RingGeometry geometry = ring::ring_geometry(sizing_.ring_mib);

  std::vector<std::vector<ShardSource>> sources(readers);
  for (const ring::CaptureTarget& target : interfaces_.targets()) {
    const auto filter =
        ring::capture_program(capture_filter_, target.access, interfaces_.loopback_index(target));
    auto sockets = ring::open_capture_group(target, {.readers = readers,
                                                     .geometry = geometry,
                                                     .promiscuous = options_.promiscuous,
                                                     .filter = filter,
                                                     .steering = steering_code});
    for (unsigned i = 0; i < readers; ++i) {
      sources[i].push_back({std::move(sockets[i]), to_link(target.access)});
    }
  }

  for (unsigned i = 0; i < readers; ++i) mailboxes_.push_back(std::make_unique<Mailbox>(readers));
  for (unsigned i = 0; i < readers; ++i) {
    const ShardConfig config{
        .id = i,
        .cpu = sizing_.cpus[i],
        .tracker = {.capacity = sizing_.sessions_per_reader,
                    .timeout = options_.timeout,
                    .copy_window = options_.copy_window,
                    .secret = random_secret(device)},
        .verify = to_verify(options_.checksum),
        .steering = steering,
        .ring_retire = geometry.retire,
        .tell_outcomes = !options_.quiet,
        .start = start_,
    };
    shards_.push_back(std::make_unique<Shard>(config, std::move(sources[i]), matcher_,
                                              interfaces_.locality(links_), mailboxes_,
                                              report_ready_));
  }
}

void Engine::open_socket() {
  const auto parent = options_.socket_path == kDefaultSocket ? ipc::SocketPath::Parent::make
                                                             : ipc::SocketPath::Parent::must_exist;
  ipc::SocketPath path = ipc::SocketPath::listen(options_.socket_path, parent);
  if (options_.user) {
    const User user = find_user(*options_.user);
    path.give_to(user.uid, user.gid);
  }
  server_.emplace(reactor_, std::move(path), ipc::ServerLimits{},
                  [this](std::string word, ipc::UnixServer::Reply reply) {
                    serve(std::move(word), std::move(reply));
                  });
}

void Engine::drop_privileges() {
  if (options_.user) become(find_user(*options_.user));
  drop_capabilities();
}

void Engine::run() {
  aggregator_.emplace(reactor_, report_ready_, shards_, [this] { return snapshot_frame(); });
  reporter_.emplace(options_.output, standard_error_, standard_output_, matcher_, interfaces_);
  for (const std::string& warning : options_.warnings) log_.warning("{}", warning);
  print_banner();
  start_readers();
  watch();
  reactor_.run();
  finish();
}

void Engine::print_banner() {
  std::vector<std::string> names;
  for (const ipc::InterfaceStats& interface : interfaces_.stats()) names.push_back(interface.name);
  const ring::Access access = interfaces_.targets().front().access;
  standard_error_.line(fmt::format("listening on {}, link-type {} ({}), capture size {} bytes",
                                   fmt::join(names, ", "), ring::link_type_name(access),
                                   ring::link_type_description(access), ring::kSnapLength));
  standard_error_.line(fmt::format("{} reader{} with rings of {} MiB, kernel filter: {}",
                                   shards_.size(), shards_.size() == 1 ? "" : "s", sizing_.ring_mib,
                                   in_words(capture_filter_)));
  if (!options_.quiet) reporter_->begin();
  standard_error_.flush();
}

void Engine::start_readers() {
  std::size_t started = 0;
  try {
    for (const auto& shard : shards_) {
      ++started;
      shard->start(last_sent_);
    }
  } catch (...) {
    // Those that did start must not wait for the others when they stop.
    last_sent_.count_down(static_cast<std::ptrdiff_t>(shards_.size() - started));
    throw;
  }
}

void Engine::watch() {
  reactor_.on_readable(link_events_.descriptor(), [this] { on_links_changed(); });
  reactor_.every(kTellInterval, [this] {
    if (!options_.quiet) reporter_->tell(shards_);
    standard_error_.flush();
    standard_output_.flush();
  });
  reactor_.every(std::chrono::seconds(1), [this] {
    aggregator_->collect([this](const ipc::Snapshot& snapshot) { on_second(snapshot); });
  });
}

// Any word that is not defined asks for what GET does, as the original has it.
void Engine::serve(std::string word, ipc::UnixServer::Reply reply) {
  aggregator_->collect(
      [this, word = std::move(word), reply = std::move(reply)](const ipc::Snapshot& snapshot) {
        if (word == "REFRESH") {
          reply(refresh_marks_.refresh_reply(snapshot));
        } else if (word == "STATS") {
          reply(ipc::stats_reply(snapshot));
        } else {
          reply(ipc::get_reply(snapshot));
        }
      });
}

// Changes come in bursts: one look when they have settled is enough.
void Engine::on_links_changed() {
  if (!link_events_.drain() || links_pending_) return;
  links_pending_ = true;
  reactor_.after(kLinksSettle, [this] {
    links_pending_ = false;
    try {
      links_ = ring::read_links();
    } catch (const std::system_error& e) {
      log_.warning("cannot read the interfaces' addresses: {}; going on with those known",
                   e.what());
      return;
    }
    interfaces_.update(links_);
    const Locality locality = interfaces_.locality(links_);
    for (const auto& shard : shards_) {
      shard->locality().offer(std::make_unique<const Locality>(locality));
    }
  });
}

void Engine::on_second(const ipc::Snapshot& snapshot) {
  for (const auto& shard : shards_) shard->locality().collect();
  const std::uint64_t dropped = snapshot.packets.dropped;
  if (dropped > dropped_told_) {
    log_.warning(
        "the kernel dropped {} packets (ring full): try a larger ring (-B, now {} MiB), "
        "more readers (--threads, now {}) or less to capture (--bpf)",
        dropped - dropped_told_, sizing_.ring_mib, shards_.size());
    dropped_told_ = dropped;
  }
  if (!not_local_told_ && snapshot.attempts_not_local != 0) {
    not_local_told_ = true;
    log_.notice(
        "saw attempts between hosts that are both not local, which no filter counts: "
        "on a mirror port say with --local NET what is local");
  }
}

ipc::Snapshot Engine::snapshot_frame() const {
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
  for (const FilterExpression& filter : matcher_.counted()) {
    s.filters.push_back({.name = filter.name, .expression = filter.text, .counts = {}});
  }
  if (server_) s.server = server_->stats();
  s.server.lines_lost = standard_error_.lost() + standard_output_.lost();
  return s;
}

void Engine::finish() {
  for (const auto& shard : shards_) shard->stop();
  for (const auto& shard : shards_) shard->join();
  if (!options_.quiet) reporter_->tell(shards_);
  try {
    interfaces_.update(ring::read_links());
  } catch (const std::system_error&) {
    // The devices' own drops then stand as last read.
  }
  standard_error_.line("");
  standard_error_.line(summary(aggregator_->last()));
  standard_error_.flush_for(kLastWords);
  standard_output_.flush_for(kLastWords);
}

}  // namespace tcpeek::engine
